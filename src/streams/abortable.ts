/**
 * The same stream, which throws the signal's reason as soon as it is aborted, even while the source is silent.
 * The source is then told to stop, but not waited for: a pipe whose writer sleeps would never answer. Without a signal
 * it is the stream itself.
 */
export async function* abortable<T>(
  stream: AsyncIterable<T>,
  signal?: AbortSignal,
): AsyncGenerator<T, void, void> {
  if (signal === undefined) {
    yield* stream;
    return;
  }
  signal.throwIfAborted();
  const iterator = stream[Symbol.asyncIterator]();
  // Not Promise.race: one promise that lives as long as the stream would hold on to every chunk that it raced with
  let interrupt: ((reason: unknown) => void) | undefined;
  const abort = () => interrupt?.(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  let ended = false;
  try {
    while (true) {
      signal.throwIfAborted();
      const { done, value } = await new Promise<IteratorResult<T>>((resolve, reject) => {
        interrupt = reject;
        iterator.next().then(resolve, reject);
      });
      interrupt = undefined;
      if (done) {
        ended = true;
        return;
      }
      yield value;
    }
  } finally {
    signal.removeEventListener('abort', abort);
    if (!ended) {
      const closing = Promise.resolve(iterator.return?.()).catch(() => undefined);
      if (!signal.aborted) await closing;
    }
  }
}
