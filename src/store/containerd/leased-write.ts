import { ImgctlError } from '../../errors.ts';
import { orAborted } from '../../streams/or-aborted.ts';
import type { WriteOptions } from '../store.ts';
import { sourceLabels } from './blob-labels.ts';
import type { Connection } from './grpc/connection.ts';
import type { LeaseHolder, LeaseUse } from './lease-holder.ts';
import { type WriteOpening, WriteSession } from './write-session.ts';

/**
 * One ingest being written under the lease that is current: through one session or, when the lease is renewed
 * meanwhile, several. A call belongs for good to the lease that it began under.
 */
export class LeasedWrite implements AsyncDisposable {
  readonly #connection: Connection;
  readonly #lease: LeaseHolder;
  readonly #opening: Omit<WriteOpening, 'lease'>;
  readonly #options: WriteOptions;
  #use: LeaseUse;
  #session: WriteSession;

  constructor(
    connection: Connection,
    lease: LeaseHolder,
    opening: Omit<WriteOpening, 'lease'>,
    options: WriteOptions,
  ) {
    this.#connection = connection;
    this.#lease = lease;
    this.#opening = opening;
    this.#options = options;
    [this.#use, this.#session] = this.#begin();
  }

  /** Aborts when containerd ends the call. */
  get failed(): AbortSignal {
    return this.#session.failed;
  }

  /** The offset that the ingest is at. */
  open(): Promise<number> {
    return orAborted(this.#session.open(), this.#options.signal);
  }

  /** The message is given back to where it was lent once it is written. */
  async write(offset: number, message: Uint8Array): Promise<void> {
    if (this.#use.stale) await this.#beginAgain(offset);
    const { onProgress, signal } = this.#options;
    await orAborted(this.#session.write(offset, message, onProgress), signal);
  }

  /** What was written so far is written, and has this digest. */
  async digest(): Promise<string> {
    await orAborted(this.#session.drain(), this.#options.signal);
    return this.#session.digest;
  }

  commit(offset: number, pieces: readonly Uint8Array[] = [], expected?: string): Promise<void> {
    const { repositories, signal } = this.#options;
    return orAborted(this.#session.commit(offset, pieces, sourceLabels(repositories), expected), signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
    this.#use[Symbol.dispose]();
  }

  #begin(): [LeaseUse, WriteSession] {
    const use = this.#lease.use();
    return [use, new WriteSession(this.#connection, { ...this.#opening, lease: use.id })];
  }

  async #beginAgain(offset: number): Promise<void> {
    await this.digest();
    await this[Symbol.asyncDispose]();
    [this.#use, this.#session] = this.#begin();
    if ((await this.open()) === offset) return;
    throw new ImgctlError('store_failed', `containerd lost ${this.#opening.ref} while it was being written`, {
      hint: 'Import again: what is still there is not sent again.',
    });
  }
}
