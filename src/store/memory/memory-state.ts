import { createHash, type Hash } from 'node:crypto';
import { ImgctlError } from '../../errors.ts';
import { bareDescriptor } from '../../image/descriptor.ts';
import { type Digest, digestAlgorithm } from '../../image/digest.ts';
import type { ImageRecord, StoredImage } from '../store.ts';

/** A blob that is not whole yet. */
export interface Partial {
  readonly chunks: Uint8Array[];
  readonly hash: Hash;
  size: number;
}

export interface LeaseRecord {
  readonly owner: string;
  readonly blobs: Set<Digest>;
  readonly chainIds: Set<Digest>;
  /** Set when it was left: milliseconds since 1970. */
  expiresAt: number | undefined;
}

/** What a test sees of a store. */
export interface Contents {
  readonly blobs: readonly Digest[];
  /** Bytes held of blobs that are not whole. */
  readonly partials: ReadonlyMap<Digest, number>;
  /** Chain IDs that are unpacked. */
  readonly snapshots: readonly Digest[];
  /** `expiresAt` is absent while a lease is in use. */
  readonly leases: readonly { readonly owner: string; readonly expiresAt?: number | undefined }[];
}

/** How long a left lease keeps what it holds, in milliseconds. */
const leftForMs = 60 * 60 * 1000;

/** Everything that the store holds, and the rule by which it goes: what no name and no lease reaches. */
export class MemoryState {
  readonly blobs = new Map<Digest, Uint8Array>();
  readonly partials = new Map<Digest, Partial>();
  /** Blobs on their way whose digest is not known yet. */
  readonly ingests = new Set<Partial>();
  readonly images = new Map<string, StoredImage>();
  /** Chain ID → that of its parent. */
  readonly snapshots = new Map<Digest, Digest | undefined>();
  /** Parent → children, as `retain` told. */
  readonly children = new Map<Digest, Set<Digest>>();
  /** Config → top chain ID, as `retainSnapshot` told. */
  readonly unpacked = new Map<Digest, Digest>();
  readonly leases = new Set<LeaseRecord>();
  readonly #writing = new Map<Digest, Promise<void>>();
  readonly #capacity: number | undefined;
  readonly #now: () => number;

  constructor(capacity: number | undefined, now: () => number) {
    this.#capacity = capacity;
    this.#now = now;
  }

  get freeBytes(): number | undefined {
    if (this.#capacity === undefined) return undefined;
    const whole = [...this.blobs.values()].reduce((sum, blob) => sum + blob.byteLength, 0);
    const unfinished = [...this.partials.values(), ...this.ingests];
    const partial = unfinished.reduce((sum, { size }) => sum + size, 0);
    return Math.max(0, this.#capacity - whole - partial);
  }

  /** @throws ImgctlError `blob_unknown` */
  wholeBlob(digest: Digest): Uint8Array {
    const blob = this.blobs.get(digest);
    if (blob !== undefined) return blob;
    throw new ImgctlError('blob_unknown', `the store does not hold ${digest}`, { context: { digest } });
  }

  startPartial(digest: Digest): Partial {
    const partial = { chunks: [], hash: createHash(digestAlgorithm(digest)), size: 0 };
    this.partials.set(digest, partial);
    return partial;
  }

  /** Waits until nobody else writes the blob; the writer has its turn until it disposes of what it gets. */
  async takeTurn(digest: Digest, signal: AbortSignal | undefined): Promise<Disposable> {
    for (let other = this.#writing.get(digest); other !== undefined; other = this.#writing.get(digest)) {
      await untilDoneOrAborted(other, signal);
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#writing.set(digest, promise);
    return {
      [Symbol.dispose]: () => {
        this.#writing.delete(digest);
        resolve();
      },
    };
  }

  /** @throws ImgctlError `blob_unknown` when the target is not here whole */
  name({ name, target, pin, labels: more = {} }: ImageRecord): void {
    this.wholeBlob(target.digest);
    const before = this.images.get(name);
    const labels = { ...before?.labels };
    for (const [key, value] of Object.entries(more)) {
      if (value === undefined) delete labels[key];
      else labels[key] = value;
    }
    if (pin === true) labels['io.cri-containerd.pinned'] = 'pinned';
    if (pin === false) delete labels['io.cri-containerd.pinned'];
    const createdAt = before?.createdAt ?? new Date(this.#now());
    this.images.set(name, { name, target: bareDescriptor(target), labels, createdAt });
  }

  leave(lease: LeaseRecord): void {
    lease.expiresAt ??= this.#now() + leftForMs;
    this.collect();
  }

  /** Removes what no name and no lease reaches, as containerd does when a lease ends. */
  collect(): void {
    for (const lease of this.leases) {
      const held = lease.blobs.size + lease.chainIds.size;
      const left = lease.expiresAt !== undefined;
      if (left && (held === 0 || (lease.expiresAt ?? 0) <= this.#now())) this.leases.delete(lease);
    }
    const { blobs, snapshots } = this.#reachable();
    for (const map of [this.blobs, this.partials, this.children, this.unpacked]) removeOthers(map, blobs);
    removeOthers(this.snapshots, snapshots);
  }

  #reachable(): { blobs: ReadonlySet<Digest>; snapshots: ReadonlySet<Digest> } {
    const leases = [...this.leases];
    const blobs = new Set([
      ...[...this.images.values()].map(({ target }) => target.digest),
      ...leases.flatMap((lease) => [...lease.blobs]),
    ]);
    // A Set goes on over what is added while it is walked
    for (const digest of blobs) for (const child of this.children.get(digest) ?? []) blobs.add(child);
    const tops = [...blobs].flatMap((digest) => this.unpacked.get(digest) ?? []);
    const snapshots = new Set([...tops, ...leases.flatMap((lease) => [...lease.chainIds])]);
    for (const chainId of snapshots) {
      const parent = this.snapshots.get(chainId);
      if (parent !== undefined) snapshots.add(parent);
    }
    return { blobs, snapshots };
  }

  contents(): Contents {
    this.collect();
    return {
      blobs: [...this.blobs.keys()],
      partials: new Map([...this.partials].map(([digest, { size }]) => [digest, size])),
      snapshots: [...this.snapshots.keys()],
      leases: [...this.leases].map(({ owner, expiresAt }) => ({ owner, expiresAt })),
    };
  }
}

function removeOthers(map: Map<Digest, unknown>, kept: ReadonlySet<Digest>): void {
  for (const digest of map.keys()) if (!kept.has(digest)) map.delete(digest);
}

async function untilDoneOrAborted(work: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([work, aborted]);
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}
