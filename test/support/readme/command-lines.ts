import { type Code, codeOf } from './code.ts';
import { simpleCommands } from './shell-words.ts';

/** One `imgctl …` of a document: its words behind the name. */
export interface CommandLine extends Pick<Code, 'line' | 'inline'> {
  readonly words: readonly string[];
}

/** What may stand before a command and runs it. */
const runners = new Set([
  'sudo',
  'npx',
  'npm',
  'exec',
  'env',
  'time',
  'nohup',
  'xargs',
  'ssh',
  'then',
  'do',
  '!',
  '-',
]);

/** Every `imgctl …` in code, also behind sudo, ssh and a pipe, in quotes, and as `kubectl imgctl`. */
export function commandLines(markdown: string): CommandLine[] {
  return codeOf(markdown).flatMap((code) =>
    linesIn(code.text).map((words) => ({ words, line: code.line, inline: code.inline })),
  );
}

/** Options that are named by themselves: `--nodes`, `-q`. */
export function namedOptions(markdown: string): CommandLine[] {
  return codeOf(markdown)
    .filter(({ text, inline }) => inline && /^\[?--?[a-z]/.test(text))
    .map(({ text, line, inline }) => ({ words: simpleCommands(text)[0] ?? [], line, inline }));
}

function linesIn(text: string): string[][] {
  // A step of a workflow
  const line = text.replace(/^(?:- )?(?:run|script|command): (?=\S)/, '');
  return simpleCommands(line).flatMap((words) => {
    const quoted = words.filter((word) => /\bimgctl /.test(word) && word.includes(' ')).flatMap(linesIn);
    const at = words.findIndex((word, i) => isProgram(word) && isRun(words.slice(0, i)));
    return at < 0 ? quoted : [words.slice(at + 1), ...quoted];
  });
}

function isProgram(word: string): boolean {
  return /^(?:\.?\/\S*\/|~\/\S*\/)?(?:kubectl-)?imgctl(?:-linux-(?:x64|arm64))?$/.test(word);
}

/** Whether a word behind these is a command, and not the name of a namespace or a service. */
function isRun(before: readonly string[]): boolean {
  if (before.at(-1) === 'kubectl') return isRun(before.slice(0, -1));
  const through = before.includes('ssh') || before.includes('--');
  return before.every((word) => runners.has(word) || /^-|^\w+=/.test(word) || (through && !isProgram(word)));
}
