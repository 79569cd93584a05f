import { ImgctlError } from '../../errors.ts';
import type { Digest } from '../../image/digest.ts';
import { hostPlatform, type Platform } from '../../image/platform.ts';
import type {
  ByteRange,
  ConfirmRequest,
  ImageRecord,
  Lease,
  Store,
  StoredImage,
  StoreInfo,
} from '../store.ts';
import { confirm } from './confirm.ts';
import type { Faults } from './faults.ts';
import { MemoryLease } from './memory-lease.ts';
import { type Contents, MemoryState } from './memory-state.ts';

/**
 * An image store in memory, for tests: it verifies, resumes, leases and collects garbage as a real one does, so that
 * a leak or a blob that was named too early shows. It knows nothing of tar: unpacking is taking note of chain IDs.
 * May import: errors, streams, image and the port.
 */
export interface MemoryStore extends Store {
  /** What is in it now: for assertions about leaks. */
  contents(): Contents;
  /** Takes a blob away behind the store's back, as `discard_unpacked_layers` or a failing disk does. */
  lose(digest: Digest): void;
  /** The same content in a store of a process started anew: nobody holds the old leases any more. */
  restart(): Promise<MemoryStore>;
}

export interface MemoryStoreOptions {
  /** The node's platforms, its own first. Default: linux on the host's architecture. */
  readonly platforms?: readonly Platform[] | undefined;
  /** Whether leases have an unpacker. Default: true. */
  readonly unpacks?: boolean | undefined;
  /** Bytes that fit in before writes fail with `store_full`. Default: no limit. */
  readonly freeBytes?: number | undefined;
  readonly namespace?: string | undefined;
  /** What goes wrong, and when. */
  readonly faults?: Faults | undefined;
  /** The time in milliseconds since 1970: left leases expire by it. */
  readonly now?: (() => number) | undefined;
}

export function createMemoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  return new Memory(options, new MemoryState(options.freeBytes, options.now ?? Date.now));
}

const chunkBytes = 256 * 1024;

class Memory implements MemoryStore {
  readonly #options: MemoryStoreOptions;
  readonly #state: MemoryState;

  constructor(options: MemoryStoreOptions, state: MemoryState) {
    this.#options = options;
    this.#state = state;
  }

  async info(signal?: AbortSignal): Promise<StoreInfo> {
    signal?.throwIfAborted();
    const { platforms, namespace = 'k8s.io', unpacks = true, faults } = this.#options;
    await faults?.info?.();
    return {
      kind: 'memory',
      version: '1',
      address: '',
      namespace,
      snapshotter: unpacks ? 'memory' : undefined,
      platforms: platforms ?? [{ ...hostPlatform(), os: 'linux' }],
      freeBytes: this.#state.freeBytes,
      cri: false,
    };
  }

  async sizesOf(digests: readonly Digest[], signal?: AbortSignal): Promise<ReadonlyMap<Digest, number>> {
    signal?.throwIfAborted();
    return new Map(
      digests.flatMap((digest) => {
        const blob = this.#state.blobs.get(digest);
        return blob === undefined ? [] : [[digest, blob.byteLength] as const];
      }),
    );
  }

  async unpackedOf(chainIds: readonly Digest[], signal?: AbortSignal): Promise<ReadonlySet<Digest>> {
    signal?.throwIfAborted();
    return new Set(chainIds.filter((chainId) => this.#state.snapshots.has(chainId)));
  }

  async *read(digest: Digest, range: ByteRange = {}, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const blob = this.#state.wholeBlob(digest);
    const start = range.offset ?? 0;
    const end = Math.min(blob.byteLength, start + (range.length ?? Number.POSITIVE_INFINITY));
    for (let at = start; at < end; at += chunkBytes) {
      signal?.throwIfAborted();
      // A copy: a chunk belongs to whoever receives it
      yield Uint8Array.from(blob.subarray(at, Math.min(end, at + chunkBytes)));
    }
  }

  async listImages(signal?: AbortSignal): Promise<readonly StoredImage[]> {
    signal?.throwIfAborted();
    return [...this.#state.images.values()];
  }

  async getImage(name: string, signal?: AbortSignal): Promise<StoredImage | undefined> {
    signal?.throwIfAborted();
    return this.#state.images.get(name);
  }

  async tagImage(image: ImageRecord, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.#state.name(image);
    this.#state.collect();
  }

  async removeImage(name: string, signal?: AbortSignal): Promise<boolean> {
    signal?.throwIfAborted();
    const removed = this.#state.images.delete(name);
    this.#state.collect();
    return removed;
  }

  async openLease({ owner, signal }: { owner: string; signal?: AbortSignal | undefined }): Promise<Lease> {
    signal?.throwIfAborted();
    return new MemoryLease(this.#state, this.#options, owner);
  }

  async confirmImage(image: ConfirmRequest, signal?: AbortSignal): Promise<readonly string[]> {
    await this.#options.faults?.confirm?.(image);
    const { platforms } = await this.info(signal);
    await confirm(image, this.#state, platforms);
    return [];
  }

  contents(): Contents {
    return this.#state.contents();
  }

  lose(digest: Digest): void {
    if (!this.#state.blobs.delete(digest)) {
      throw new ImgctlError('blob_unknown', `the store does not hold ${digest}`, { context: { digest } });
    }
  }

  async restart(): Promise<MemoryStore> {
    await this[Symbol.asyncDispose]();
    return new Memory(this.#options, this.#state);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const lease of this.#state.leases) this.#state.leave(lease);
  }
}
