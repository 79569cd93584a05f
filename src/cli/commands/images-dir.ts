import { Command } from 'commander';
import type { CommandContext } from '../context.ts';
import { statusOfAnswers } from '../exit-codes.ts';
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
      const { io } = context;
      const { askNodes } = await import('../ask-nodes.ts');
      const { connectNodes } = await import('../connect-nodes.ts');
      const reporter = await context.reporter(options);
      await using connected = await connectNodes(options, io, reporter);
      const answers = await askNodes(connected.nodes, ({ node }, signal) => node.imagesDirectory(signal), {
        signal: io.signal,
        withinMs: 30_000,
      });
      const listing = answers.map(({ node: { name, address }, answer, error }) => ({
        node: name,
        address,
        status: answer,
        error,
      }));
      reporter.imagesDirectories(listing);
      context.status = statusOfAnswers(listing, io.signal.aborted);
    });
}
