import { Command, Option } from 'commander';
import { relayChoices, wireCompressions } from '../../distribute/fan-out-options.ts';
import type { CommandContext } from '../context.ts';
import {
  addImportOptions,
  addNodeOptions,
  addOutputOptions,
  maxRateOption,
  type NodeOptions,
} from '../options.ts';
import type { PushOptions } from '../push.ts';

const examples = `
Archives may be OCI layouts or what docker save writes, plain or compressed (gzip, zstd, bzip2, xz, lz4).
A file on standard input is read in place; a pipe is kept in a temporary file meanwhile.

A pipe is sent while it is being read: layers that name themselves (OCI layout, docker save since 25) go out
as soon as each is whole, before the index at the end says what they are. Whether a node can take the images
is found out then, and it may have got layers that it does not need: they are counted, and not kept.
--no-stream waits for the end, as --strict, --dry-run, --verify-key and several archives do.

--max-rate bounds what this command sends to all nodes together, and what each agent sends to other nodes
meanwhile: for this import and, as long as that runs, for all others. k, M and G are bits a second, kB, MB
and GB bytes; 100k at least. Counted are the bodies of requests; HTTP, TLS and TCP add about 5 %.

Examples:
  imgctl images import < bundle.tar
  imgctl images import app.tar.zst db.tar
  docker save app:1 | imgctl images import --nodes 10.0.4.17,10.0.4.18
  docker save app:1 | imgctl images import --no-stream
  imgctl images import bundle.tar --nodes cp=10.0.4.17,w1=10.0.4.18:25001 --strict
  imgctl images import bundle.tar --max-rate 200M
  imgctl images import bundle.tar.zst --verify-key release.pub
  imgctl images import bundle.tar --wire-compression zstd
  imgctl images import bundle.tar --dry-run`;

type Options = PushOptions & NodeOptions;

export function imagesImportCommand(context: CommandContext): Command {
  const command = new Command('import')
    .summary('put the images of archives onto every node')
    .description(
      'Puts the images of archives onto every node: sends what each lacks, unpacks, names and verifies.',
    )
    .argument('[file...]', 'archives; - is standard input, and the default');
  addNodeOptions(command);
  addImportOptions(command)
    .addOption(
      new Option('--relay <way>', 'nodes pass layers on to each other, or each gets all from here')
        .choices(relayChoices)
        .default('auto'),
    )
    .addOption(maxRateOption())
    .addOption(
      new Option(
        '--wire-compression <way>',
        'zstd for layers that are not compressed: where the link is slow, always, or never',
      )
        .choices(wireCompressions)
        .default('auto'),
    )
    .option('--no-stream', 'read a pipe to its end before anything is sent')
    .option('--strict', 'send nothing to anybody unless every node can take the images')
    .option('--dry-run', 'show what would be sent where, and send nothing');
  return addOutputOptions(command)
    .addHelpText('after', examples)
    .action(async (files: string[], _, self: Command) => {
      const { io } = context;
      const { withDefaults } = await import('../import-defaults.ts');
      const options = await withDefaults<Options>(self, io);
      const { archiveInputs } = await import('../archive-inputs.ts');
      const { connectNodes } = await import('../connect-nodes.ts');
      const { push } = await import('../push.ts');
      const reporter = await context.reporter(options);
      // What can be wrong with the command line is told before anything is read
      const inputs = archiveInputs(files, () => io.stdin);
      await using connected = await connectNodes(options, io, reporter);
      context.status = await push({ inputs, nodes: connected.nodes, options, reporter }, context);
    });
}
