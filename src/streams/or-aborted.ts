/**
 * What `work` comes to, unless the signal aborts first; `work` itself goes on.
 * A listener each time: a promise that outlives many others, raced against each, would keep all their values.
 */
export function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    // Work that is given up may still fail: nobody is left to hear of it
    work.catch(() => {});
    if (signal.aborted) return reject(signal.reason);
    const abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
