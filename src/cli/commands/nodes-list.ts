import { Command } from 'commander';
import type { CommandContext } from '../context.ts';
import { addNodeOptions, addOutputOptions, type NodeOptions, type OutputOptions } from '../options.ts';

const examples = `
READY is what Kubernetes says, FREE the room in the image store, RTT the time of a small request
there and back.

Examples:
  imgctl nodes list
  imgctl nodes ls --discover kubernetes --selector node-role.kubernetes.io/worker
  imgctl nodes list --nodes 10.0.4.17,10.0.4.18 --output json`;

export function nodesListCommand(context: CommandContext): Command {
  const command = new Command('list')
    .alias('ls')
    .summary('list the nodes, and whether they can take images')
    .description('Lists the nodes that images would go to, asks each at once, and says what answers there.');
  addNodeOptions(command);
  return addOutputOptions(command)
    .addHelpText('after', examples)
    .action(async (options: NodeOptions & OutputOptions) => {
      const { askAllNodes } = await import('../ask-all-nodes.ts');
      const { askNode, listedNode } = await import('../list-node.ts');
      await askAllNodes(context, options, {
        ask: askNode,
        withinMs: 10_000,
        row: listedNode,
        show: (reporter, rows) => reporter.nodes(rows),
      });
    });
}
