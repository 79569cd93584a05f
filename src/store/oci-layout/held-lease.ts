import { randomUUID } from 'node:crypto';
import { hasCode } from '../../errors.ts';
import type { Digest } from '../../image/digest.ts';
import type { Layout } from './layout.ts';
import { type LeaseRecord, leftForMs } from './lease-files.ts';
import type { Node } from './reachable.ts';
import { leaseLost, ofStore } from './store-errors.ts';
import { isHeld, sweep } from './sweep.ts';

/** A lease that this process holds, and its file, which is always the first to know. */
export class HeldLease {
  readonly #layout: Layout;
  readonly #id = randomUUID();
  readonly #owner: string;
  readonly #blobs = new Map<Digest, string>();
  readonly #ended = new AbortController();
  /** Rises with each blob that is added; the file has all up to `#saved`. */
  #version = 0;
  #saved = 0;
  #next: Promise<void> | undefined;

  constructor(layout: Layout, owner: string) {
    this.#layout = layout;
    this.#owner = owner;
    layout.held.add(this.#id);
  }

  /** Aborts, with `lease_lost`, when the lease ends. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** Once it resolves, these stay until the lease ends. @throws ImgctlError `lease_lost` */
  async hold(blobs: Iterable<Node>): Promise<void> {
    this.signal.throwIfAborted();
    this.#add(blobs);
    if (this.#saved < this.#version) await this.renew();
  }

  /** Holds these, and takes them from the leases that the same owner left behind. */
  async adopt(blobs: readonly Node[], signal: AbortSignal | undefined): Promise<void> {
    this.signal.throwIfAborted();
    await this.#layout.exclusively(async () => {
      this.signal.throwIfAborted();
      this.#add(blobs);
      await this.#save();
      for (const lease of await this.#layout.leases.list()) {
        if (lease.owner !== this.#owner || isHeld(this.#layout, lease)) continue;
        const rest = new Map(lease.blobs);
        for (const { digest } of blobs) rest.delete(digest);
        if (rest.size === 0) await this.#layout.leases.remove(lease.id);
        else if (rest.size < lease.blobs.size) await this.#layout.leases.save({ ...lease, blobs: rest });
      }
    }, signal);
  }

  /** Writes the file again: its expiry starts anew. Those who ask at once share one write. */
  renew(): Promise<void> {
    this.#next ??= this.#saveInTurn();
    return this.#next;
  }

  async #saveInTurn(): Promise<void> {
    try {
      await this.#layout.exclusively(() => {
        // What is added from here on may come too late for this one
        this.#next = undefined;
        return this.#save();
      });
    } catch (error) {
      this.#next = undefined;
      throw error;
    }
  }

  /** Ends it: `left` keeps what it holds for an hour. Whoever wrote under it must have stopped. */
  async end(how: 'released' | 'left'): Promise<void> {
    this.close();
    await this.#layout.exclusively(async () => {
      this.#layout.held.delete(this.#id);
      if (how === 'left') await this.#saveAsLeft();
      await sweep(this.#layout, how === 'released' ? this.#id : undefined);
    });
  }

  async #saveAsLeft(): Promise<void> {
    if (this.#blobs.size === 0) return;
    try {
      await ofStore(
        this.#layout.paths.directory,
        this.#layout.leases.save({ ...this.#record(), holder: null }),
      );
    } catch (error) {
      // As it was saved before it expires too, only sooner
      if (!hasCode(error, 'store_full')) throw error;
    }
  }

  /** From now on nothing is taken under it. */
  close(): void {
    this.#ended.abort(leaseLost());
  }

  #add(blobs: Iterable<Node>): void {
    for (const { digest, mediaType } of blobs) {
      const known = this.#blobs.get(digest);
      if (known || known === mediaType) continue;
      this.#blobs.set(digest, mediaType);
      this.#version += 1;
    }
  }

  async #save(): Promise<void> {
    if (this.signal.aborted || this.#blobs.size === 0) return;
    const version = this.#version;
    await this.#layout.leases.save(this.#record());
    this.#saved = version;
  }

  #record(): LeaseRecord {
    return {
      id: this.#id,
      owner: this.#owner,
      holder: this.#layout.owners.self,
      expiresAt: this.#layout.now() + leftForMs,
      blobs: this.#blobs,
    };
  }
}
