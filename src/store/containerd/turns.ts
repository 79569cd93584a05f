import { orAborted } from '../../streams/or-aborted.ts';

/** Whoever holds the turn, by key. Of the process and not of a store: containerd's refs and snapshots are the daemon's. */
const holders = new Map<string, Promise<void>>();

/**
 * Waits until nobody else in this process has the turn for `key`; it is the caller's until it disposes of what it gets.
 * @throws the signal's reason
 */
export async function takeTurn(key: string, signal?: AbortSignal): Promise<Disposable> {
  signal?.throwIfAborted();
  for (let holder = holders.get(key); holder !== undefined; holder = holders.get(key)) {
    await orAborted(holder, signal);
  }
  const { promise, resolve } = Promise.withResolvers<void>();
  holders.set(key, promise);
  return {
    [Symbol.dispose]: () => {
      holders.delete(key);
      resolve();
    },
  };
}
