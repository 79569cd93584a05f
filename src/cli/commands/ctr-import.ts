import { hostname } from 'node:os';
import { Command } from 'commander';
import type { CommandContext } from '../context.ts';
import { addImportOptions, addOutputOptions, addStoreOptions } from '../options.ts';
import type { PushOptions } from '../push.ts';
import { programVersion } from '../version.ts';

const examples = `
Examples:
  imgctl ctr image import nginx.tar
  imgctl ctr image import - < nginx.tar
  docker save app:1 | imgctl ctr -n default images import -`;

export function ctrImportCommand(context: CommandContext): Command {
  const command = new Command('import')
    .summary('import archives')
    .description("Puts the images of an archive into this machine's containerd.")
    .argument('<file...>', 'archives; - is standard input');
  addStoreOptions(command).option(
    '--snapshotter <name>',
    'snapshotter to unpack with (default: the one that the kubelet uses)',
  );
  addImportOptions(command).option('--dry-run', 'show what would be written, and write nothing');
  return addOutputOptions(command)
    .addHelpText('after', examples)
    .action(async (files: string[], options: PushOptions, command: Command) => {
      const { io } = context;
      const { archiveInputs } = await import('../archive-inputs.ts');
      const { openLocalStore } = await import('../local-store.ts');
      const { push } = await import('../push.ts');
      const reporter = await context.reporter(options);
      const inputs = archiveInputs(files, () => io.stdin);
      const opening = openLocalStore(command, io);
      // What comes next is loaded while the store answers
      await Promise.allSettled([
        opening,
        import('../../archive/archive.ts'),
        import('../../distribute/fan-out.ts'),
        import('../../transfer/local-node.ts'),
      ]);
      await using store = await opening;
      const { createLocalNode } = await import('../../transfer/local-node.ts');
      const name = hostname();
      const node = createLocalNode(store, { name, owner: 'cli', version: programVersion() });
      const { address } = await store.info(io.signal);
      context.status = await push({ inputs, nodes: [{ name, address, node }], options, reporter }, context);
    });
}
