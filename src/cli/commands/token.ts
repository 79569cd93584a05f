import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import type { CommandContext } from '../context.ts';
import { addOutputOptions, type OutputOptions } from '../options.ts';
import { parseLongDuration } from '../parse-values.ts';

const examples = `
Puts a new token into the file token, and the old one into token.previous with the time at which it ends.
Agents accept both until then, once they have the two files; they read them again when they change.

Examples:
  imgctl token rotate
  imgctl token rotate --keep 7d
  imgctl token rotate --keep 0`;

interface Options extends OutputOptions {
  readonly dir?: string;
  readonly keep: number;
}

export function tokenCommand(context: CommandContext): Command {
  return new Command('token')
    .description('The token by which agents know the command.')
    .addCommand(tokenRotateCommand(context));
}

function tokenRotateCommand(context: CommandContext): Command {
  const command = new Command('rotate')
    .summary('make a new token, and keep the old one for a while')
    .description('Makes a new token; agents accept the old one for a while.')
    .option('--dir <dir>', 'the directory that `imgctl init` made (default: ~/.config/imgctl)')
    .addOption(
      new Option('--keep <duration>', 'how long the old token is accepted (s, m, h, d; 0: not at all)')
        .argParser(parseLongDuration)
        .default(86_400_000, '24h'),
    )
    .addHelpText('after', examples);
  return addOutputOptions(command).action(async ({ dir: named, keep, ...output }: Options) => {
    const reporter = await context.reporter(output);
    const { configDir } = await import('../../trust/default-files.ts');
    const { rotateToken } = await import('../../trust/rotate-token.ts');
    const dir = named === undefined ? configDir(context.io.env) : resolve(named);
    const result = await rotateToken({ dir, keepMs: keep });
    const { dropped, rotated } = await import('../describe-trust.ts');
    if (result.dropped !== undefined) reporter.warn(dropped(result.dropped));
    reporter.done(rotated(result, { dir, isDefault: dir === configDir(context.io.env) }, keep));
  });
}
