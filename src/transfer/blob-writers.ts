import { ImgctlError } from '../errors.ts';
import type { Digest } from '../image/digest.ts';

/**
 * A writer to whom nothing comes for so long must give way to another that has something. Milliseconds; a sender that
 * hangs is told from one that is busy by whoever it sends to, but only much later.
 */
const patienceMs = 1_000;

/**
 * One writer per digest in the process. Whoever wants a blob that is being written already waits and hears its
 * progress; when the writer dies, or waits in vain for bytes, the first of those who wait takes over.
 */
export class BlobWriters {
  readonly #active = new Map<Digest, ActiveWrite>();
  readonly #patienceMs: number;

  constructor(patience = patienceMs) {
    this.#patienceMs = patience;
  }

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
      if (await request.waiting(() => this.#follow(active, request))) return 'shared';
    }
  }

  async #lead(digest: Digest, { write, onProgress }: WriteRequest): Promise<void> {
    const listeners = new Set([onProgress]);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const superseded = new AbortController();
    let waitsSince: number | undefined;
    this.#active.set(digest, { listeners, ended: promise, superseded, waitsSince: () => waitsSince });
    let brought = false;
    try {
      await write({
        tell: (offset) => {
          for (const listener of listeners) listener(offset);
        },
        waits: (isWaiting) => {
          waitsSince = isWaiting ? performance.now() : undefined;
        },
        superseded: superseded.signal,
      });
      brought = true;
    } finally {
      this.#active.delete(digest);
      resolve(brought);
    }
  }

  /** Whether the active writer brought it. */
  async #follow(active: ActiveWrite, { onProgress, signal }: WriteRequest): Promise<boolean> {
    signal?.throwIfAborted();
    active.listeners.add(onProgress);
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const abort = () => reject(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    const begun = performance.now();
    const timer = setInterval(() => {
      const since = active.waitsSince();
      // Who came first is heard out from the moment on that another could go on in its place
      if (since !== undefined && performance.now() - Math.max(since, begun) >= this.#patienceMs)
        active.superseded.abort(givesWay());
    }, this.#patienceMs / 4);
    try {
      return await Promise.race([active.ended, aborted]);
    } finally {
      clearInterval(timer);
      active.listeners.delete(onProgress);
      signal?.removeEventListener('abort', abort);
    }
  }
}

export interface WriteRequest {
  readonly write: (writing: Writing) => Promise<void>;
  readonly onProgress: (offset: number) => void;
  /** Wraps the wait for another writer: whoever watches that one sees whether it stalls. */
  readonly waiting: <T>(wait: () => Promise<T>) => Promise<T>;
  readonly signal?: AbortSignal | undefined;
}

export interface Writing {
  readonly tell: (offset: number) => void;
  /** Whether it waits for bytes from now on; what a store does with them takes its time. */
  readonly waits: (isWaiting: boolean) => void;
  /** Aborts when another is to go on in its place, from what is there. */
  readonly superseded: AbortSignal;
}

interface ActiveWrite {
  readonly listeners: Set<(offset: number) => void>;
  /** Whether the writer brought the blob; never rejects. */
  readonly ended: Promise<boolean>;
  readonly superseded: AbortController;
  readonly waitsSince: () => number | undefined;
}

function givesWay(): ImgctlError {
  return new ImgctlError('interrupted', 'nothing came, and another sender of the same blob went on');
}
