import type { Argument, Command, Option } from 'commander';
import type { CommandLine } from './command-lines.ts';

/** Stands for a value that the reader fills in: `FILE`, `<name>`, `…`. */
const placeholder = /^[[<]?[A-Z][A-Z0-9_:.=-]*[>\]]?$|[<…]|\.\.\.|^\$/;

/** What a command line of a document says that the program would not take. */
export function commandProblems(program: Command, { words, line, inline }: CommandLine): string[] {
  const problems: string[] = [];
  const shown = `line ${line}: imgctl ${words.join(' ')}`;
  let command = program;
  let args = 0;
  for (let i = 0; i < words.length; i++) {
    // What may be left out stands in brackets
    const word = (words[i] ?? '').replace(/^\[(?=.)|(?<=.)\]$/g, '');
    if (word === '…' || word === '...') continue;
    if (word === 'help' && command === program) return problems;
    if (/^--?[a-zA-Z]/.test(word)) {
      const { option, name, value } = findOption(command, word);
      if (isGiven(name)) continue;
      if (option === undefined) problems.push(`${shown}: ${command.name()} has no option ${name}`);
      else if (option.required || option.optional) {
        const given = value ?? words[++i]?.replace(/\]$/, '');
        if (given === undefined ? option.required && !inline : !takes(option, given))
          problems.push(`${shown}: ${name} does not take ${given ?? 'nothing'}`);
      }
    } else if (command.commands.length > 0) {
      // Alternatives: the first goes on
      const children = word.split('|').map((name) => ({ name, child: findChild(command, name) }));
      const unknown = children.filter(({ name, child }) => child === undefined && !placeholder.test(name));
      for (const { name } of unknown) problems.push(`${shown}: ${command.name()} has no command ${name}`);
      const [{ child } = { child: undefined }] = children;
      if (child === undefined) return problems;
      command = child;
    } else {
      const argument = command.registeredArguments[args] ?? command.registeredArguments.at(-1);
      if (argument === undefined || (args >= command.registeredArguments.length && !argument.variadic))
        problems.push(`${shown}: ${command.name()} takes no argument ${word}`);
      else if (!word.split('|').every((choice) => takes(argument, choice)))
        problems.push(`${shown}: ${command.name()} does not take ${word}`);
      args += 1;
    }
  }
  const needed = command.registeredArguments.filter(({ required }) => required).length;
  if (!inline && args < needed && problems.length === 0 && !words.includes('--help'))
    problems.push(`${shown}: ${command.registeredArguments[args]?.name()} is missing`);
  return problems;
}

/** An option that stands by itself has to be one of some command. */
export function optionProblems(program: Command, { words, line }: CommandLine): string[] {
  const all = allCommands(program);
  return words
    .filter((word) => /^\[?--?[a-zA-Z]/.test(word))
    .map((word) => word.replace(/^\[/, ''))
    .filter((word) => {
      const found = all.map((command) => findOption(command, word));
      return !found.some(({ option, name }) => option !== undefined || isGiven(name));
    })
    .map((word) => `line ${line}: no command has the option ${word}`);
}

function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}

function findChild(command: Command, name: string): Command | undefined {
  return command.commands.find((child) => child.name() === name || child.aliases().includes(name));
}

interface FoundOption {
  readonly option: Option | undefined;
  readonly name: string;
  /** That is part of the word: `--output=json`, `-ojson`. */
  readonly value?: string | undefined;
}

/** On the command or on what it stands behind. */
function findOption(command: Command, word: string): FoundOption {
  const [, name = word, value] =
    (word.startsWith('--') ? /^(--[^=]+)=?(.+)?$/ : /^(-.)(.+)?$/).exec(word) ?? [];
  for (let at: Command | null = command; at !== null; at = at.parent) {
    const option = at.options.find(({ short, long }) => short === name || long === name);
    if (option !== undefined) return { option, name, value };
  }
  return { option: undefined, name, value };
}

/** Commander's own. */
function isGiven(name: string): boolean {
  return ['--help', '-h', '--version', '-V'].includes(name);
}

/** As the program itself reads the value. */
function takes({ parseArg }: Option | Argument, value: string): boolean {
  if (placeholder.test(value) || parseArg === undefined) return true;
  try {
    parseArg(value, undefined as never);
    return true;
  } catch {
    return false;
  }
}
