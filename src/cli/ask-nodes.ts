import { withAgentHint } from '../distribute/without-agent.ts';
import { type ImgctlError, toImgctlError } from '../errors.ts';

/** What a node said, or why it did not. */
export type Answered<Answer> = { answer: Answer; error?: never } | { answer?: never; error: ImgctlError };

/**
 * Asks every node at once; an error is that node's answer, and so is silence for `withinMs`. Throws only when the
 * command is interrupted.
 */
export async function askNodes<Node extends { readonly name: string }, Answer>(
  nodes: readonly Node[],
  ask: (node: Node, signal: AbortSignal) => Promise<Answer>,
  { signal, withinMs }: { readonly signal: AbortSignal; readonly withinMs?: number },
): Promise<({ node: Node } & Answered<Answer>)[]> {
  return Promise.all(
    nodes.map(async (node) => {
      try {
        return {
          node,
          answer: await ask(
            node,
            withinMs === undefined ? signal : AbortSignal.any([signal, AbortSignal.timeout(withinMs)]),
          ),
        };
      } catch (thrown) {
        signal.throwIfAborted();
        return { node, error: withAgentHint(toImgctlError(thrown).within({ node: node.name })) };
      }
    }),
  );
}
