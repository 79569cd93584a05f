import { hostname } from 'node:os';
import { Command } from 'commander';
import type { Store } from '../../store/store.ts';
import type { CommandContext } from '../context.ts';
import { statusOfAnswers } from '../exit-codes.ts';
import { addOutputOptions, addStoreOptions, type OutputOptions } from '../options.ts';

export function ctrRemoveCommand(context: CommandContext): Command {
  const command = new Command('rm')
    .aliases(['remove', 'delete', 'del'])
    .summary('remove images')
    .description("Removes images from this machine's containerd.")
    .argument('<ref...>', 'names of images')
    .option('--sync', 'wait until the content may be collected (always so; taken because ctr has it)');
  return addOutputOptions(addStoreOptions(command)).action(
    async (refs: string[], options: OutputOptions, command: Command) => {
      const { io } = context;
      const { askNodes } = await import('../ask-nodes.ts');
      const { openLocalStore } = await import('../local-store.ts');
      const reporter = await context.reporter(options);
      await using store = await openLocalStore(command, io);
      const { address } = await store.info(io.signal);
      const images = [...new Set(refs)].map((name) => ({ name }));
      const answers = await askNodes(images, ({ name }, signal) => remove(store, name, signal), {
        signal: io.signal,
      });
      const results = answers.map(({ node, answer, error }) => ({
        node: hostname(),
        address,
        image: answer ?? node.name,
        removed: answer !== undefined,
        error: error?.within({ image: node.name }),
      }));
      reporter.removed(results);
      context.status = statusOfAnswers(
        [{ error: results.find(({ error }) => error !== undefined)?.error }],
        io.signal.aborted,
      );
    },
  );
}

/** The name as it stands there, or as it is meant: not every name in a store is a whole reference (the CRI's image IDs). */
async function remove(store: Store, name: string, signal: AbortSignal): Promise<string> {
  const { formatReference, isReference, parseReference } = await import('../../image/reference.ts');
  const isWhole = isReference(name) && formatReference(parseReference(name)) === name;
  if (!isWhole && (await store.removeImage(name, signal))) return name;
  const { removeNodeImage } = await import('../../agent/remove-node-image.ts');
  return removeNodeImage(store, name, signal);
}
