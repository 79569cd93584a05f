import { Command } from 'commander';
import { ImgctlError } from '../../errors.ts';
import type { CommandContext } from '../context.ts';
import { exitStatus, statusOfAnswers } from '../exit-codes.ts';
import { addNodeOptions, addOutputOptions, type NodeOptions, type OutputOptions } from '../options.ts';

const examples = `
A name that some nodes have not is fine; one that is on no node is an error.

Examples:
  imgctl images rm app:1
  imgctl images rm docker.io/library/nginx:1.27 app:1 --nodes 10.0.4.17,10.0.4.18`;

export function imagesRemoveCommand(context: CommandContext): Command {
  const command = new Command('rm')
    .alias('remove')
    .summary('remove images from every node')
    .description('Removes images from every node.')
    .argument('<ref...>', 'names of images');
  addNodeOptions(command);
  return addOutputOptions(command)
    .addHelpText('after', examples)
    .action(async (refs: string[], options: NodeOptions & OutputOptions) => {
      const { io } = context;
      const { askNodes } = await import('../ask-nodes.ts');
      const { connectNodes } = await import('../connect-nodes.ts');
      const reporter = await context.reporter(options);
      const { formatReference, parseReference } = await import('../../image/reference.ts');
      const names = [...new Set(refs.map((ref) => formatReference(parseReference(ref))))];
      await using connected = await connectNodes(options, io, reporter);
      const pairs = connected.nodes.flatMap((node) => names.map((image) => ({ ...node, image })));
      const answers = await askNodes(
        pairs,
        ({ node, image }, signal) => node.removeImage(image, signal),
        // Removing waits for the space to be freed
        { signal: io.signal, withinMs: 120_000 },
      );
      const results = answers.map(({ node: { name, address, image }, answer, error }) => ({
        node: name,
        address,
        image,
        removed: answer ?? false,
        error,
      }));
      // Where a node did not answer, nobody knows whether it has the name
      const nowhere = names.filter((name) =>
        results.every(({ image, removed, error }) => image !== name || (!removed && error === undefined)),
      );
      reporter.removed(results, nowhere.map(unknownImage));
      const status = statusOfAnswers(perNode(results), io.signal.aborted);
      context.status = status === exitStatus.ok && nowhere.length > 0 ? exitStatus.failed : status;
    });
}

function unknownImage(image: string): ImgctlError {
  return new ImgctlError('image_unknown', `no node has an image ${image}`, {
    hint: 'See the names that there are with imgctl images list.',
    context: { image },
  });
}

/** A node counts once, with its first error. */
function perNode(results: readonly { readonly node: string; readonly error?: ImgctlError | undefined }[]) {
  return [...Map.groupBy(results, ({ node }) => node).values()].map((of) => ({
    error: of.find(({ error }) => error !== undefined)?.error,
  }));
}
