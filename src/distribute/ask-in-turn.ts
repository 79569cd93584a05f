import { type ImgctlError, toImgctlError } from '../errors.ts';

/** A node that could not answer. */
export interface InVain<Node> {
  readonly node: Node;
  readonly error: ImgctlError;
}

interface AskingInTurn<Node, Answer> {
  ask(node: Node, signal: AbortSignal): Promise<Answer>;
  /** Whether another may answer where these could not, the last of them just now. */
  goesOn(inVain: readonly InVain<Node>[]): boolean;
  /** What is wrong where nobody answers. */
  failure(inVain: readonly InVain<Node>[]): ImgctlError;
  /** One that does not answer for so long is not waited for alone. Milliseconds. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

/**
 * The answer of the first node that has one: each is asked when the one before it could not answer, or takes its time.
 * @throws ImgctlError `failure`'s; the signal's reason
 */
export async function askInTurn<Node, Answer>(
  nodes: readonly Node[],
  { ask, goesOn, failure, waitMs, signal }: AskingInTurn<Node, Answer>,
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const over = new AbortController();
  const stop = AbortSignal.any([signal, over.signal]);
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  const left = nodes.values();
  const inVain: InVain<Node>[] = [];
  let timer: NodeJS.Timeout | undefined;
  const askNext = () => {
    clearTimeout(timer);
    const { value: node, done } = left.next();
    if (done) return;
    timer = setTimeout(askNext, waitMs);
    ask(node, stop).then(resolve, (thrown) => {
      if (stop.aborted) return;
      inVain.push({ node, error: toImgctlError(thrown) });
      if (goesOn(inVain) && inVain.length < nodes.length) askNext();
      else reject(failure(inVain));
    });
  };
  try {
    signal.throwIfAborted();
    askNext();
    return await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    over.abort();
  }
}
