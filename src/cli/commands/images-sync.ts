import { Command } from 'commander';
import type { CommandContext } from '../context.ts';
import {
  addBringingOptions,
  addNodeOptions,
  addOutputOptions,
  addPlatformOptions,
  type NodeOptions,
} from '../options.ts';
import { addNames } from '../parse-values.ts';
import type { SyncOptions } from '../sync.ts';

const examples = `
No archive is needed: nodes get the layers from each other, and only small documents pass through this
command. Without REF, every image that some node has.

Examples:
  imgctl images sync
  imgctl images sync app:1 --from worker-1
  imgctl images sync --to worker-7 --dry-run`;

export function imagesSyncCommand(context: CommandContext): Command {
  const command = new Command('sync')
    .summary('bring images that some nodes have to all nodes')
    .description('Brings images that some nodes have to all nodes, from node to node.')
    .argument('[ref...]', 'names of images (default: all)')
    .option('--from <nodes>', 'only what these nodes have, by name or address', addNames)
    .option('--to <nodes>', 'only to these nodes, by name or address', addNames);
  addNodeOptions(command);
  addPlatformOptions(command, 'what the node runs').option(
    '--pin',
    "keep the images through the kubelet's garbage collection (default: as where they are)",
  );
  addBringingOptions(command)
    .option('--strict', 'send nothing to anybody unless every node can take the images')
    .option('--dry-run', 'show what would be brought where, and bring nothing');
  return addOutputOptions(command)
    .addHelpText('after', examples)
    .action(async (refs: string[], _, self: Command) => {
      const { io } = context;
      const { withDefaults } = await import('../import-defaults.ts');
      const options = await withDefaults<SyncOptions & NodeOptions>(self, io);
      const { connectNodes } = await import('../connect-nodes.ts');
      const { sync } = await import('../sync.ts');
      const { formatReference, parseReference } = await import('../../image/reference.ts');
      const reporter = await context.reporter(options);
      const names = [...new Set(refs.map((ref) => formatReference(parseReference(ref))))];
      await using connected = await connectNodes(options, io, reporter);
      context.status = await sync({ names, nodes: connected.nodes, options, reporter }, context);
    });
}
