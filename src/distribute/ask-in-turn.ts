import { type ImgctlError, toImgctlError } from '../errors.ts';

interface AskingInTurn<Node, Answer> {
  ask(node: Node, signal: AbortSignal): Promise<Answer>;
  /** Whether it is the node's trouble, so that another may answer. */
  passes(error: ImgctlError): boolean;
  onFailed(node: Node, error: ImgctlError): void;
  /** One that does not answer for so long is not waited for alone. Milliseconds. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

/**
 * The answer of the first node that has one: each is asked when the one before it could not answer, or takes its time.
 * @throws ImgctlError that of the question itself, else that of the first node; the signal's reason
 */
export async function askInTurn<Node, Answer>(
  nodes: readonly Node[],
  { ask, passes, onFailed, waitMs, signal }: AskingInTurn<Node, Answer>,
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const over = new AbortController();
  const stop = AbortSignal.any([signal, over.signal]);
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  const left = nodes.values();
  const failed: ImgctlError[] = [];
  let timer: NodeJS.Timeout | undefined;
  const askNext = () => {
    clearTimeout(timer);
    const { value: node, done } = left.next();
    if (done) return;
    timer = setTimeout(askNext, waitMs);
    ask(node, stop).then(resolve, (thrown) => {
      if (stop.aborted) return;
      const error = toImgctlError(thrown);
      if (!passes(error)) return reject(error);
      onFailed(node, error);
      failed.push(error);
      if (failed.length === nodes.length) reject(failed[0]);
      else askNext();
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
