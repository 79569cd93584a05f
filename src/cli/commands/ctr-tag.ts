import { Command } from 'commander';
import { ImgctlError } from '../../errors.ts';
import type { Store, StoredImage } from '../../store/store.ts';
import type { CommandContext } from '../context.ts';
import { addOutputOptions, addStoreOptions, type OutputOptions } from '../options.ts';

const examples = `
Examples:
  imgctl ctr image tag nginx:1.27 registry.example.com/nginx:1.27`;

export function ctrTagCommand(context: CommandContext): Command {
  const command = new Command('tag')
    .summary('give an image more names')
    .description('Gives an image more names. Nothing is copied.')
    .argument('<source>', 'name of an image that is there')
    .argument('<target...>', 'further names for it')
    .option('--force', 'move a name that another image has');
  return addOutputOptions(addStoreOptions(command))
    .addHelpText('after', examples)
    .action(
      async (from: string, to: string[], options: OutputOptions & { force?: boolean }, command: Command) => {
        const { io } = context;
        const { existingImage } = await import('../existing-image.ts');
        const { openLocalStore } = await import('../local-store.ts');
        const reporter = await context.reporter(options);
        const { formatReference, parseReference } = await import('../../image/reference.ts');
        const [source, ...targets] = [from, ...to].map((name) => formatReference(parseReference(name)));
        await using store = await openLocalStore(command, io);
        const image = await existingImage(store, source ?? from, io.signal);
        // All or none: a name that is taken is found before the first is given
        if (!options.force) for (const name of targets) await refuseTaken(store, name, image, io.signal);
        for (const name of targets) await store.tagImage({ name, target: image.target }, io.signal);
        reporter.done(targets.map((name) => `${name} is ${image.name} now (${image.target.digest})`));
      },
    );
}

async function refuseTaken(
  store: Store,
  name: string,
  image: StoredImage,
  signal: AbortSignal,
): Promise<void> {
  const taken = await store.getImage(name, signal);
  if (taken === undefined || taken.target.digest === image.target.digest) return;
  throw new ImgctlError('usage', `${name} is the name of another image`, {
    hint: 'Move it to this one with --force.',
    context: { image: name, digest: taken.target.digest },
  });
}
