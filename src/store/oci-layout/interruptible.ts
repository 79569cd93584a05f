/** The values of `source`, until the signal ends it: at once, also while the source hangs. */
export async function* interruptible<T>(
  source: AsyncIterable<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T, void, void> {
  if (signal === undefined) {
    yield* source;
    return;
  }
  const iterator = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await nextOrAborted(iterator, signal);
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    const closing = Promise.resolve(iterator.return?.()).catch(() => {});
    // A source that hangs would hang here too
    if (!signal.aborted) await closing;
  }
}

/** A listener for each value: one promise that outlives them all, raced again and again, would keep every chunk. */
function nextOrAborted<T>(iterator: AsyncIterator<T>, signal: AbortSignal): Promise<IteratorResult<T>> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    iterator
      .next()
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', onAbort));
  });
}
