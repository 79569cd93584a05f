import type { Command } from 'commander';
import { commandProblems, optionProblems } from './check-commands.ts';
import { codeOf } from './code.ts';
import { commandLines, namedOptions } from './command-lines.ts';

/** Everything that a document says of commands and options that the program does not know. */
export function documentProblems(
  markdown: string,
  program: Command,
  ofOthers: readonly string[] = [],
): string[] {
  const options = namedOptions(markdown).filter(({ words }) => !ofOthers.includes(words[0] ?? ''));
  return [
    ...commandLines(markdown).flatMap((line) => commandProblems(program, line)),
    ...options.flatMap((line) => optionProblems(program, line)),
  ];
}

/** Commands of the program that a document never shows. */
export function unmentioned(markdown: string, program: Command): string[] {
  const shown = new Set(commandLines(markdown).map(({ words }) => words[0]));
  return program.commands
    .filter((command) => ![command.name(), ...command.aliases()].some((name) => shown.has(name)))
    .map((command) => command.name());
}

/** What a document tells to run that the package does not have: npm scripts, and files of the repository. */
export function scriptProblems(
  markdown: string,
  scripts: Readonly<Record<string, string>>,
  exists: (path: string) => boolean,
): string[] {
  return codeOf(markdown).flatMap(({ text, line }) => [
    ...[...text.matchAll(/\bnpm run (?:-s |--silent )?([\w:-]+)/g)]
      .filter(([, name = '']) => !(name in scripts))
      .map(([, name]) => `line ${line}: package.json has no script ${name}`),
    ...[...text.matchAll(/\b(?:bash|sh|node) ((?:[\w.-]+\/)+[\w.-]+\.(?:sh|[cm]?[jt]s))\b/g)]
      .filter(([, path = '']) => !exists(path))
      .map(([, path]) => `line ${line}: there is no file ${path}`),
  ]);
}

/** Variables of the program's own that a document names and the sources do not. */
export function variableProblems(markdown: string, sources: string): string[] {
  const known = new Set(sources.match(/\bIMGCTL_[A-Z0-9_]+\b/g));
  const named = new Set(markdown.match(/\bIMGCTL_[A-Z0-9_]+\b/g));
  return [...named].filter((name) => !known.has(name)).map((name) => `nothing reads ${name}`);
}

/** Where the document's table of exit statuses is not what --help says: each row begins with the words of the help. */
export function statusProblems(markdown: string, help: string): string[] {
  const [, table = ''] = /\| status \|[^\n]*\n\|[-| ]*\n((?:\|[^\n]*\n)*)/.exec(markdown) ?? [];
  const rows = new Map(
    [...table.matchAll(/^\| *(\d+) *\| *(.*?) *\|$/gm)].map(([, status = '', text = '']) => [status, text]),
  );
  const [, list = ''] = /Exit status:\n((?: +\d+ +[^\n]*\n)*)/.exec(help) ?? [];
  const lines = new Map(
    [...list.matchAll(/^ +(\d+) +(.*)$/gm)].map(([, status = '', text = '']) => [status, text]),
  );
  const problems = [...new Set([...rows.keys(), ...lines.keys()])].flatMap((status) => {
    const [row, line] = [rows.get(status), lines.get(status)];
    if (row === undefined) return [`status ${status} is in --help alone`];
    if (line === undefined) return [`status ${status} is in the document alone`];
    const rest = row.startsWith(line) ? row.slice(line.length) : undefined;
    return rest !== undefined && /^($|[:;,. ])/.test(rest)
      ? []
      : [`status ${status}: "${row}" is not "${line}"`];
  });
  return lines.size === 0 ? ['--help has no exit statuses'] : problems;
}
