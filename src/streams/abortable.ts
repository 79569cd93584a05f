/**
 * The same stream, which throws the signal's reason as soon as it is aborted, even while the source is silent.
 * The source is then told to stop, but not waited for: a pipe whose writer sleeps would never answer.
 */
export async function* abortable<T>(stream: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  signal.throwIfAborted();
  const iterator = stream[Symbol.asyncIterator]();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  aborted.catch(() => undefined);
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  let ended = false;
  try {
    while (true) {
      const next = iterator.next();
      // Where the abort wins, nobody is left to hear of this one's failure
      next.catch(() => undefined);
      const { done, value } = await Promise.race([next, aborted]);
      if (done) {
        ended = true;
        return;
      }
      yield value;
    }
  } finally {
    signal.removeEventListener('abort', abort);
    if (!ended) void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}
