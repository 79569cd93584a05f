import type { Digest } from '../../image/digest.ts';

/** One writer per digest in this process; the others wait for their turn. */
export class Turns {
  readonly #taken = new Map<Digest, Promise<void>>();

  /** The turn lasts until it is disposed of. @throws the signal's reason */
  async take(digest: Digest, signal: AbortSignal): Promise<Disposable> {
    for (let other = this.#taken.get(digest); other !== undefined; other = this.#taken.get(digest)) {
      await doneOrAborted(other, signal);
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#taken.set(digest, promise);
    return {
      [Symbol.dispose]: () => {
        this.#taken.delete(digest);
        resolve();
      },
    };
  }
}

async function doneOrAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
