import { Command } from 'commander';
import type { CommandContext } from '../context.ts';
import { addNodeOptions, addOutputOptions, type NodeOptions, type OutputOptions } from '../options.ts';

const examples = `
Examples:
  imgctl images dir status
  imgctl images dir status --nodes 10.0.4.17 --output json`;

export function imagesDirCommand(context: CommandContext): Command {
  return new Command('dir')
    .summary('images directories of the nodes')
    .description(
      'Directories whose archives and lists of images the agents bring (imgctl agent run --images-dir).',
    )
    .addCommand(statusCommand(context));
}

function statusCommand(context: CommandContext): Command {
  const command = new Command('status')
    .summary('show what has become of each file')
    .description("Shows what has become of each file in the nodes' images directories.");
  addNodeOptions(command);
  return addOutputOptions(command)
    .addHelpText('after', examples)
    .action(async (options: NodeOptions & OutputOptions) => {
      const { askAllNodes } = await import('../ask-all-nodes.ts');
      await askAllNodes(context, options, {
        ask: ({ node }, signal) => node.imagesDirectory(signal),
        withinMs: 30_000,
        row: ({ name, address }, { answer, error }) => ({ node: name, address, status: answer, error }),
        show: (reporter, rows) => reporter.imagesDirectories(rows),
      });
    });
}
