import { Command } from 'commander';
import type { CommandContext } from '../context.ts';
import { statusOfAnswers } from '../exit-codes.ts';
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
      const { io } = context;
      const { askNodes } = await import('../ask-nodes.ts');
      const { connectNodes } = await import('../connect-nodes.ts');
      const reporter = await context.reporter(options);
      await using connected = await connectNodes(options, io, reporter);
      const answers = await askNodes(connected.nodes, ({ node }, signal) => node.images(signal), {
        signal: io.signal,
        withinMs: 30_000,
      });
      const listing = answers.map(({ node: { name, address }, answer, error }) => ({
        node: name,
        address,
        images: answer ?? [],
        error,
      }));
      reporter.images(listing);
      context.status = statusOfAnswers(listing, io.signal.aborted);
    });
}
