import type { Argument, Command, Option } from 'commander';

/** The tree of commands as completion sees it: names, options, and what may follow each. */
export interface CompletionCommand {
  /** `imgctl images import`. */
  readonly path: string;
  /** Its name, then its aliases. */
  readonly names: readonly string[];
  readonly summary: string;
  readonly options: readonly CompletionOption[];
  readonly commands: readonly CompletionCommand[];
  /** In order; the last may repeat. */
  readonly args: readonly CompletionValue[];
}

export interface CompletionOption {
  /** `-q`, `--quiet`. */
  readonly flags: readonly string[];
  readonly summary: string;
  /** Absent for a switch. */
  readonly value?: CompletionValue | undefined;
  readonly repeats: boolean;
}

export interface CompletionValue {
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'choice' | 'any';
  readonly choices: readonly string[];
  readonly repeats: boolean;
}

export function completionTree(command: Command, parents = ''): CompletionCommand {
  const path = parents === '' ? command.name() : `${parents} ${command.name()}`;
  const commands = command.commands.map((child) => completionTree(child, path));
  const isRoot = parents === '';
  return {
    path,
    names: [command.name(), ...command.aliases()],
    summary: command.summary() || firstSentence(command.description()),
    options: command
      .createHelp()
      .visibleOptions(command)
      .map((option) => optionOf(option)),
    commands: isRoot ? [...commands, helpCommand(path, commands)] : commands,
    args: command.registeredArguments.map(argumentOf),
  };
}

/** Every command, parents first. */
export function flatten(command: CompletionCommand): CompletionCommand[] {
  return [command, ...command.commands.flatMap(flatten)];
}

function optionOf(option: Option): CompletionOption {
  return {
    flags: [option.short, option.long].filter((flag) => typeof flag === 'string'),
    summary: option.description.replace(/ \((?:env|default):.*$/, ''),
    ...(option.required || option.optional
      ? { value: completionValue(/<([^>]+)>/.exec(option.flags)?.[1] ?? '', option.argChoices ?? []) }
      : {}),
    repeats: option.parseArg !== undefined,
  };
}

function argumentOf(argument: Argument): CompletionValue {
  return { ...completionValue(argument.name(), argument.argChoices ?? []), repeats: argument.variadic };
}

function completionValue(name: string, choices: readonly string[]): CompletionValue {
  const kind =
    choices.length > 0 ? 'choice' : name === 'file' ? 'file' : name === 'dir' ? 'directory' : 'any';
  return { name, kind, choices, repeats: false };
}

function helpCommand(path: string, commands: readonly CompletionCommand[]): CompletionCommand {
  const choices = commands.flatMap(({ names }) => names.slice(0, 1));
  return {
    path: `${path} help`,
    names: ['help'],
    summary: 'show help for a command',
    options: [],
    commands: [],
    args: [{ name: 'command', kind: 'choice', choices, repeats: false }],
  };
}

function firstSentence(text: string): string {
  return text.replace(/\..*$/s, '');
}
