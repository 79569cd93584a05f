import { type ImgctlError, toImgctlError } from '../errors.ts';

/** Asks every node at once; an error is that node's answer. Throws only when the command is interrupted. */
export async function askNodes<Node extends { readonly name: string }, Answer>(
  nodes: readonly Node[],
  ask: (node: Node) => Promise<Answer>,
  signal: AbortSignal,
): Promise<
  ({ node: Node } & ({ answer: Answer; error?: never } | { answer?: never; error: ImgctlError }))[]
> {
  return Promise.all(
    nodes.map(async (node) => {
      try {
        return { node, answer: await ask(node) };
      } catch (thrown) {
        signal.throwIfAborted();
        return { node, error: toImgctlError(thrown).within({ node: node.name }) };
      }
    }),
  );
}
