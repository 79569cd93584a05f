import { Command, type Option } from 'commander';
import type { ConfigContext } from '../config/config.ts';
import type { DefaultValue } from '../config/context-shape.ts';
import { ImgctlError } from '../errors.ts';
import { imagesImportCommand } from './commands/images-import.ts';
import { type CliIo, CommandContext } from './context.ts';
import { loadedConfig } from './loaded-config.ts';
import { addNodeOptions } from './options.ts';

/** Reads a default as its option would. @throws ImgctlError, or commander's own error: the option does not take it */
type ReadDefault = (value: DefaultValue) => unknown;

/** Options of one run alone: what they say is never what one wants every time. */
const ofOneRun = ['dryRun', 'tag'];

/** The options of `images import` that a context may have defaults for; which nodes is the context's own matter. */
export function importDefaults(io: CliIo): ReadonlyMap<string, ReadDefault> {
  const ofNodes = addNodeOptions(new Command()).options.map((option) => option.attributeName());
  const { options } = imagesImportCommand(new CommandContext(io, []));
  const fit = options.filter((option) => ![...ofNodes, ...ofOneRun].includes(option.attributeName()));
  return new Map(fit.map((option) => [option.attributeName(), (value) => readDefault(option, value)]));
}

/** The options of an import: what the user gave, else the context's defaults. @throws ImgctlError `config_invalid` */
export async function withDefaults<Options extends { readonly config?: string }>(
  command: Command,
  io: CliIo,
): Promise<Options> {
  const { config } = command.opts<Options>();
  const { choice } = await loadedConfig(config, io);
  if (choice !== undefined) applyDefaults(command, choice.context);
  return command.opts<Options>();
}

function applyDefaults(command: Command, context: ConfigContext): void {
  const given = command.options.filter((option) => {
    const source = command.getOptionValueSource(option.attributeName());
    return source !== undefined && source !== 'default';
  });
  for (const [name, value] of Object.entries(context.defaults)) {
    const option = command.options.find((option) => option.attributeName() === name);
    if (option === undefined || given.some((other) => other === option || areAtOdds(option, other))) continue;
    const read = readDefault(option, value);
    const isPath = typeof read === 'string' && /<(file|dir)>/.test(option.flags);
    command.setOptionValueWithSource(name, isPath ? context.pathHere(read) : read, 'config');
  }
}

function readDefault(option: Option, value: DefaultValue): unknown {
  if (option.isBoolean() || option.negate) {
    if (typeof value === 'boolean') return value;
    throw new ImgctlError('usage', `cannot be ${JSON.stringify(value)}`, { hint: 'Write true or false.' });
  }
  if (typeof value === 'boolean') {
    const hint = `It takes a value: ${option.description}.`;
    throw new ImgctlError('usage', `cannot be ${value}`, { hint });
  }
  const text = Array.isArray(value) ? value.join(',') : String(value);
  return option.parseArg === undefined ? text : option.parseArg(text, undefined);
}

/** Whether one option may not stand beside the other. Commander keeps it, but has no question for it. */
function areAtOdds(a: Option, b: Option): boolean {
  const conflicts = (option: Option): readonly string[] =>
    'conflictsWith' in option && Array.isArray(option.conflictsWith) ? option.conflictsWith : [];
  return conflicts(a).includes(b.attributeName()) || conflicts(b).includes(a.attributeName());
}
