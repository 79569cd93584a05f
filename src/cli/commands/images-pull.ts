import { Command, Option } from 'commander';
import type { CommandContext } from '../context.ts';
import {
  addBringingOptions,
  addNodeOptions,
  addOutputOptions,
  addPlatformOptions,
  maxRateOption,
  type NodeOptions,
} from '../options.ts';
import { addValue, parseCount } from '../parse-values.ts';
import type { PullOptions } from '../pull.ts';
import { addRegistryOptions, type RegistryOptions } from '../registry-options.ts';

const examples = `
Each layer is read from the registry once, by one of the nodes, which streams it to the others: nothing goes through
this machine. Where only this machine reaches the registry, --via command reads it here. Layers that the nodes have
are not read. A name without a tag means latest; what it means now is said by its digest.

The nodes use the mirrors, certificates, credentials and proxies that they have (imgctl agent run --registries). With
--via command those of this machine are used: imgctl registries explain REF says which.

--max-rate bounds what nodes pass on to each other, and what goes out of this machine. What a node reads from a
registry and passes on comes no faster than that; the rest of it is not bounded.

Examples:
  imgctl images pull nginx:1.27 registry.example.com/team/app:1
  imgctl images pull registry.example.com/team/app:1 --pull-secret team/registry-login
  imgctl images pull -f images.txt --via command --registries /etc/rancher/k3s/registries.yaml
  imgctl images pull nginx --platform linux/arm64 --dry-run`;

type Options = PullOptions &
  NodeOptions &
  RegistryOptions & { readonly file?: string[]; readonly via: 'node' | 'command' };

export function imagesPullCommand(context: CommandContext): Command {
  const command = new Command('pull')
    .summary('put images of registries onto every node')
    .description('Pulls images from registries and puts them onto every node, each layer once.')
    .argument('[ref...]', 'images')
    .option('-f, --file <file>', 'images, one a line (# begins a comment; - is standard input)', addValue);
  addNodeOptions(command);
  addRegistryOptions(command);
  addPlatformOptions(command, 'what the node runs').option(
    '--pin',
    "keep the images through the kubelet's garbage collection",
  );
  addBringingOptions(command)
    .addOption(
      new Option('--max-parallel <n>', 'images that are pulled at once')
        .argParser(parseCount(1, 64))
        .default(1),
    )
    .addOption(
      new Option('--via <way>', 'who pulls: the nodes, each layer one of them; or this command for all')
        .choices(['node', 'command'])
        .default('node'),
    )
    .addOption(maxRateOption())
    .option('--strict', 'send nothing to anybody unless every node can take the images')
    .option('--dry-run', 'show what would be pulled where, and pull nothing');
  return addOutputOptions(command)
    .addHelpText('after', examples)
    .action(async (refs: string[], _, self: Command) => {
      const { io } = context;
      const { withDefaults } = await import('../import-defaults.ts');
      const options = await withDefaults<Options>(self, io);
      const { readReferences } = await import('../read-references.ts');
      const { loginsForNodes, registryAccess } = await import('../registry-access.ts');
      const { connectNodes } = await import('../connect-nodes.ts');
      const { pull } = await import('../pull.ts');
      const reporter = await context.reporter(options);
      // What can be wrong with the command line is told before anybody is asked
      const references = await readReferences(refs, options.file ?? [], () => io.stdin);
      const access = options.via === 'command' ? await registryAccess(options, io, reporter) : undefined;
      await using connected = await connectNodes(options, io, reporter);
      const { nodes } = connected;
      const way =
        access === undefined
          ? ({ via: 'node', logins: await loginsForNodes(options, nodes, io) } as const)
          : ({ via: 'command', access } as const);
      context.status = await pull({ references, nodes, way, options, reporter }, context);
    });
}
