import type { Digest } from '../../image/digest.ts';
import type {
  ByteRange,
  ConfirmRequest,
  ImageRecord,
  Lease,
  LeaseOptions,
  Store,
  StoredImage,
  StoreInfo,
} from '../store.ts';
import { confirmImage } from './confirm-image.ts';
import { ContainerdLease } from './containerd-lease.ts';
import { blobSizes } from './content-info.ts';
import { readBlob } from './content-reader.ts';
import { socketPath } from './find-socket.ts';
import { Connection } from './grpc/connection.ts';
import { getImage, listImages, setImage, siblingName } from './image-names.ts';
import { LeaseHolder } from './lease-holder.ts';
import { pullImage } from './pull-image.ts';
import { removeImage } from './remove-image.ts';
import { existingSnapshots } from './snapshots.ts';
import { daemonVersion, freeBytesAt, learnFacts, type StoreFacts } from './store-facts.ts';

/**
 * The node's containerd as an image store, spoken to by its gRPC API, without a `ctr` process. It works the same on
 * containerd 1.6, 1.7 and 2.x. Everything that an import brings is under a lease until it has a name, and what the
 * name leads to is kept by gc labels: nothing goes too early, and nothing stays for good.
 * May import: errors, streams, image and the port.
 */
export interface ContainerdStoreOptions {
  /** Path of containerd's socket, also as `unix:///path`. */
  readonly address: string;
  /** `k8s.io` is the kubelet's. */
  readonly namespace: string;
  /** Default: the one that the CRI unpacks to. */
  readonly snapshotter?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** How long a lease lives unless it is renewed, in milliseconds. Default: an hour. */
  readonly leaseLifetimeMs?: number | undefined;
}

const hourMs = 60 * 60 * 1000;

/** @throws ImgctlError `store_unreachable`, `usage` for a snapshotter that the daemon does not have */
export async function openContainerdStore(options: ContainerdStoreOptions): Promise<Store> {
  const { address, namespace, snapshotter, signal, leaseLifetimeMs = hourMs } = options;
  const connection = new Connection(socketPath(address), namespace);
  try {
    const facts = await learnFacts(connection, snapshotter, { signal });
    return new ContainerdStore(connection, facts, leaseLifetimeMs);
  } catch (error) {
    connection[Symbol.dispose]();
    throw error;
  }
}

class ContainerdStore implements Store {
  readonly pullImage: Store['pullImage'];
  readonly #connection: Connection;
  readonly #facts: StoreFacts;
  readonly #leaseLifetimeMs: number;
  readonly #holders = new Set<LeaseHolder>();

  constructor(connection: Connection, facts: StoreFacts, leaseLifetimeMs: number) {
    this.#connection = connection;
    this.#facts = facts;
    this.#leaseLifetimeMs = leaseLifetimeMs;
    if (facts.cri) this.pullImage = (name, signal) => pullImage(connection, name, { signal });
  }

  async info(signal?: AbortSignal): Promise<StoreInfo> {
    const { address, namespace } = this.#connection;
    const { contentRoot, ...facts } = this.#facts;
    const [version, freeBytes] = await Promise.all([
      daemonVersion(this.#connection, { signal }),
      freeBytesAt(contentRoot),
    ]);
    return { kind: 'containerd', version, address, namespace, freeBytes, ...facts };
  }

  sizesOf(digests: readonly Digest[], signal?: AbortSignal): Promise<ReadonlyMap<Digest, number>> {
    return blobSizes(this.#connection, digests, { signal });
  }

  read(digest: Digest, range?: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    return readBlob(this.#connection, digest, range, signal);
  }

  listImages(signal?: AbortSignal): Promise<readonly StoredImage[]> {
    return listImages(this.#connection, { signal });
  }

  getImage(name: string, signal?: AbortSignal): Promise<StoredImage | undefined> {
    return getImage(this.#connection, name, { signal });
  }

  unpackedOf(chainIds: readonly Digest[], signal?: AbortSignal): Promise<ReadonlySet<Digest>> {
    return existingSnapshots(this.#connection, this.#facts.snapshotter, chainIds, { signal });
  }

  async tagImage(image: ImageRecord, signal?: AbortSignal): Promise<void> {
    const sibling = siblingName(image.name, image.target.digest);
    if (sibling !== undefined) await setImage(this.#connection, { ...image, name: sibling }, { signal });
    await setImage(this.#connection, image, { signal });
  }

  removeImage(name: string, signal?: AbortSignal): Promise<boolean> {
    return removeImage(this.#connection, name, { signal });
  }

  async openLease({ owner, signal }: LeaseOptions): Promise<Lease> {
    const connection = this.#connection;
    const holder = await LeaseHolder.open({ connection, owner, lifetimeMs: this.#leaseLifetimeMs }, signal);
    this.#holders.add(holder);
    const { snapshotter } = this.#facts;
    const onEnd = () => this.#holders.delete(holder);
    return new ContainerdLease({ connection, holder, owner, snapshotter, onEnd });
  }

  confirmImage(image: ConfirmRequest, signal?: AbortSignal): Promise<readonly string[]> {
    return confirmImage({ connection: this.#connection, ...this.#facts }, image, { signal });
  }

  /** Leases that are open are left. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#holders].map((holder) => holder.leave()));
    this.#connection[Symbol.dispose]();
  }
}
