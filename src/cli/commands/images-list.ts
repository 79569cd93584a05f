import { Command } from 'commander';
import type { CommandContext } from '../context.ts';
import { addNodeOptions, addOutputOptions, type NodeOptions, type OutputOptions } from '../options.ts';

const examples = `
Examples:
  imgctl images list
  imgctl images ls --nodes 10.0.4.17,10.0.4.18 --output json`;

export function imagesListCommand(context: CommandContext): Command {
  const command = new Command('list')
    .alias('ls')
    .summary('list what each node has')
    .description('Lists the images that each node has.');
  addNodeOptions(command);
  return addOutputOptions(command)
    .addHelpText('after', examples)
    .action(async (options: NodeOptions & OutputOptions) => {
      const { askAllNodes } = await import('../ask-all-nodes.ts');
      await askAllNodes(context, options, {
        ask: ({ node }, signal) => node.images(signal),
        withinMs: 30_000,
        row: ({ name, address }, { answer, error }) => ({ node: name, address, images: answer ?? [], error }),
        show: (reporter, rows) => reporter.images(rows),
      });
    });
}
