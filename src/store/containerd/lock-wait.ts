import { setTimeout as delay } from 'node:timers/promises';
import type { Digest } from '../../image/digest.ts';
import { blobInfo } from './content-info.ts';
import type { Connection } from './grpc/connection.ts';
import { ingestOf } from './ingests.ts';

/** How long another process may hold a ref without writing to it, in milliseconds, before this one gives up. */
const patienceMs = 60_000;

/**
 * Waits for another process that is writing the same blob. Trying its lock holds up every metadata call of the daemon
 * for 0.6 s (1.6, 1.7), so the blob is looked at instead, and the lock is tried only when nothing moves any more.
 */
export class LockWait {
  readonly #connection: Connection;
  readonly #digest: Digest;
  readonly #signal: AbortSignal | undefined;
  #lastWrite: bigint | undefined;
  #movedAt = performance.now();

  constructor(connection: Connection, digest: Digest, signal: AbortSignal | undefined) {
    this.#connection = connection;
    this.#digest = digest;
    this.#signal = signal;
  }

  /** Returns when it is worth trying again. @throws `locked` when nothing has moved for a minute */
  async next(locked: unknown): Promise<void> {
    for (;;) {
      // Jitter: several that wait for one blob should not come all at once
      await delay(1000 + Math.random() * 4000, undefined, { signal: this.#signal });
      const [info, ingest] = await Promise.all([
        blobInfo(this.#connection, this.#digest, { signal: this.#signal }),
        ingestOf(this.#connection, this.#digest, { signal: this.#signal }),
      ]);
      if (info !== undefined || ingest === undefined) return;
      if (ingest.updatedAt === this.#lastWrite) {
        if (performance.now() - this.#movedAt > patienceMs) throw locked;
        return;
      }
      this.#lastWrite = ingest.updatedAt;
      this.#movedAt = performance.now();
    }
  }
}
