import { Command } from 'commander';
import type { CommandContext } from '../context.ts';
import { addOutputOptions, addSpoolOption, type OutputOptions, type SpoolOptions } from '../options.ts';

const examples = `
Shows the images with their platforms, digests and sizes, which layers they share, and what an import takes. Any archive
of images will do. Only documents are read of one that is not compressed: it takes no time. Nothing is verified.

Examples:
  imgctl bundle inspect bundle.tar.zst
  imgctl bundle inspect bundle.tar --output json`;

export function bundleInspectCommand(context: CommandContext): Command {
  const command = new Command('inspect')
    .summary('show what is in a bundle')
    .description('Shows what is in a bundle, and what an import of it takes.')
    .argument('[file...]', 'the bundle, or all of its parts; - is standard input, and the default');
  return addOutputOptions(addSpoolOption(command))
    .addHelpText('after', examples)
    .action(async (files: string[], options: OutputOptions & SpoolOptions) => {
      const { inspectBundle } = await import('../inspect-bundle.ts');
      await inspectBundle(files, options, context);
    });
}
