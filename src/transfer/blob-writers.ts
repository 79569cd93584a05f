import { setImmediate as turnOfEvents } from 'node:timers/promises';
import { ImgctlError } from '../errors.ts';
import type { Digest } from '../image/digest.ts';

/**
 * A writer to whom nothing comes for so long must give way to another that has something. Milliseconds; a sender that
 * hangs is told from one that is busy by whoever it sends to, but only much later.
 */
const patienceMs = 1_000;

/**
 * One writer per digest in the process. Whoever wants a blob that is being written already waits and hears its
 * progress; when the writer dies, or waits in vain for bytes, the first of those who wait takes over. Who had to give way
 * waits in its turn.
 *
 * Within one import the latest sender is the better one, for whoever feeds the import chose it knowing of the others: to
 * it a writer gives way as soon as it waits for bytes at all. What comes on a route that was given up may trickle in for
 * a long time, out of the buffers on the way.
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
   * @throws ImgctlError `interrupted` where it gave way to one that did not bring it either; what `write` throws
   */
  async write(digest: Digest, request: WriteRequest): Promise<'written' | 'shared'> {
    let before: ActiveWrite | undefined;
    for (;;) {
      const active = this.#active.get(digest);
      if (active === undefined) break;
      if (await request.waiting(() => this.#takeTurn(active, request))) return 'shared';
      before = active;
    }
    const own = new ActiveWrite(request.owner);
    if (before !== undefined) before.heir = own;
    try {
      await this.#lead(digest, own, request);
      return 'written';
    } catch (error) {
      if (!own.superseded.signal.aborted || !(await this.#broughtByHeir(own, request))) throw error;
      return 'shared';
    }
  }

  async #lead(digest: Digest, own: ActiveWrite, { write, onProgress }: WriteRequest): Promise<void> {
    own.listeners.add(onProgress);
    this.#active.set(digest, own);
    let brought = false;
    try {
      await write({
        tell: (offset) => {
          for (const listener of own.listeners) listener(offset);
        },
        waits: (isWaiting) => own.waits(isWaiting),
        superseded: own.superseded.signal,
      });
      brought = true;
    } finally {
      this.#active.delete(digest);
      own.end(brought);
    }
  }

  /** What it gave up reading it cannot take up again: if none of the others brings it, its sender must begin anew. */
  async #broughtByHeir(own: ActiveWrite, request: WriteRequest): Promise<boolean> {
    for (let active: ActiveWrite | undefined = own; active !== undefined; active = active.heir) {
      const it = active;
      if (await request.waiting(() => this.#follow(it, request))) return true;
      // By then one of those who waited has begun
      await turnOfEvents();
    }
    return false;
  }

  /** Waits until it may go on in place of the active writer; answers whether that one brought it. */
  async #takeTurn(active: ActiveWrite, request: WriteRequest): Promise<boolean> {
    if (request.owner === active.owner) active.giveWay();
    const begun = performance.now();
    const timer = setInterval(() => {
      const since = active.waitsSince;
      // Who came first is heard out from the moment on that another could go on in its place
      if (since !== undefined && performance.now() - Math.max(since, begun) >= this.#patienceMs)
        active.giveWay();
    }, this.#patienceMs / 4);
    try {
      return await this.#follow(active, request);
    } finally {
      clearInterval(timer);
    }
  }

  /** Whether the active writer brought it. */
  async #follow(active: ActiveWrite, { onProgress, signal }: WriteRequest): Promise<boolean> {
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
}

export interface WriteRequest {
  /** The import that wants the blob. */
  readonly owner: unknown;
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

class ActiveWrite {
  readonly owner: unknown;
  readonly listeners = new Set<(offset: number) => void>();
  readonly superseded = new AbortController();
  /** Whether it brought the blob; never rejects. */
  readonly ended: Promise<boolean>;
  readonly end: (brought: boolean) => void;
  /** Since when it waits for bytes, by `performance.now()`; undefined: it does not. */
  waitsSince: number | undefined;
  /** Who went on when this had ended without the blob. */
  heir: ActiveWrite | undefined;
  #mustGiveWay = false;

  constructor(owner: unknown) {
    this.owner = owner;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.ended = promise;
    this.end = resolve;
  }

  waits(isWaiting: boolean): void {
    this.waitsSince = isWaiting ? performance.now() : undefined;
    if (this.#mustGiveWay) this.giveWay();
  }

  /** As soon as it waits for bytes: what came is for the store to take. */
  giveWay(): void {
    this.#mustGiveWay = true;
    if (this.waitsSince !== undefined) this.superseded.abort(gaveWay());
  }
}

function gaveWay(): ImgctlError {
  return new ImgctlError('interrupted', 'another sender of the same blob went on in its place');
}
