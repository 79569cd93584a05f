import { hostname } from 'node:os';
import { Command } from 'commander';
import type { CommandContext } from '../context.ts';
import { addOutputOptions, addStoreOptions, type OutputOptions } from '../options.ts';

export function ctrListCommand(context: CommandContext): Command {
  const command = new Command('list')
    .alias('ls')
    .summary('list images')
    .description("Lists the images in this machine's containerd.");
  return addOutputOptions(addStoreOptions(command)).action(
    async (options: OutputOptions, command: Command) => {
      const { io } = context;
      const { openLocalStore } = await import('../local-store.ts');
      const reporter = await context.reporter(options);
      await using store = await openLocalStore(command, io);
      const { listNodeImages } = await import('../../agent/node-images.ts');
      const images = await listNodeImages(store, io.signal);
      const { address } = await store.info(io.signal);
      reporter.images([{ node: hostname(), address, images }]);
    },
  );
}
