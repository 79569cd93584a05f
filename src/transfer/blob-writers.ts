import type { Digest } from '../image/digest.ts';

/**
 * One writer per digest in the process. Whoever wants a blob that is being written already waits and hears its
 * progress; when the writer dies, the first of those who wait takes over.
 */
export class BlobWriters {
  readonly #active = new Map<Digest, ActiveWrite>();

  /**
   * Calls `write` once no other writer of `digest` is at work. Answers `shared`, without calling it, when another
   * writer brought the blob meanwhile.
   */
  async write(digest: Digest, request: WriteRequest): Promise<'written' | 'shared'> {
    for (;;) {
      const active = this.#active.get(digest);
      if (active === undefined) {
        await this.#lead(digest, request);
        return 'written';
      }
      if (await request.waiting(() => follow(active, request))) return 'shared';
    }
  }

  async #lead(digest: Digest, { write, onProgress }: WriteRequest): Promise<void> {
    const listeners = new Set([onProgress]);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#active.set(digest, { listeners, ended: promise });
    let brought = false;
    try {
      await write((offset) => {
        for (const listener of listeners) listener(offset);
      });
      brought = true;
    } finally {
      this.#active.delete(digest);
      resolve(brought);
    }
  }
}

export interface WriteRequest {
  readonly write: (onProgress: (offset: number) => void) => Promise<void>;
  readonly onProgress: (offset: number) => void;
  /** Wraps the wait for another writer: whoever watches that one sees whether it stalls. */
  readonly waiting: <T>(wait: () => Promise<T>) => Promise<T>;
  readonly signal?: AbortSignal | undefined;
}

interface ActiveWrite {
  readonly listeners: Set<(offset: number) => void>;
  /** Whether the writer brought the blob; never rejects. */
  readonly ended: Promise<boolean>;
}

async function follow(active: ActiveWrite, { onProgress, signal }: WriteRequest): Promise<boolean> {
  signal?.throwIfAborted();
  active.listeners.add(onProgress);
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal?.reason);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([active.ended, aborted]);
  } finally {
    active.listeners.delete(onProgress);
    signal?.removeEventListener('abort', abort);
  }
}
