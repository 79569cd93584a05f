import type { Descriptor } from '../image/descriptor.ts';
import type { Digest } from '../image/digest.ts';
import type { Platform } from '../image/platform.ts';

/**
 * The port of a node's image store: what importing needs, and no more.
 *
 * A store verifies what it stores, so nobody else hashes. Adapters: containerd/, oci-layout/, memory/; all three
 * run test/contract/store.ts. May import: errors, streams, image. Adapters never import each other.
 */
export interface Store extends AsyncDisposable {
  /** @throws ImgctlError `store_unreachable` */
  info(signal?: AbortSignal): Promise<StoreInfo>;
  /** Sizes in bytes of those of `digests` that are here whole. */
  sizesOf(digests: readonly Digest[], signal?: AbortSignal): Promise<ReadonlyMap<Digest, number>>;
  /** Bytes `offset` up to `offset + length` (default: the end) of a blob, in chunks. @throws ImgctlError `blob_unknown` */
  read(digest: Digest, range?: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  listImages(signal?: AbortSignal): Promise<readonly StoredImage[]>;
  getImage(name: string, signal?: AbortSignal): Promise<StoredImage | undefined>;
  /** Those of these chain IDs that are unpacked. Nothing is kept: a look. Absent where nothing is unpacked. */
  unpackedOf?(chainIds: readonly Digest[], signal?: AbortSignal): Promise<ReadonlySet<Digest>>;
  /** Gives `target` one more name: nothing is copied. The name is moved where it names something else. */
  tagImage(image: ImageRecord, signal?: AbortSignal): Promise<void>;
  /** Removes the name, waits until what it alone kept is collectable, and answers whether it was there. */
  removeImage(name: string, signal?: AbortSignal): Promise<boolean>;
  /**
   * Has the store pull an image from its registry, as the kubelet has it: mirrors and credentials are those that are
   * configured there. Absent where the store pulls nothing. @throws ImgctlError `pull_failed`
   */
  readonly pullImage?: ((name: string, signal?: AbortSignal) => Promise<void>) | undefined;
  /**
   * Opens a lease: what is claimed or written under it stays until it is released.
   * Leases that a dead owner of the same name left behind are adopted: see `Lease.claim`.
   */
  openLease(options: LeaseOptions): Promise<Lease>;
  /**
   * Asks the store, and what reads it (CRI), whether the image is what it should be: the name with that digest.
   * Answers warnings: what a user should hear although the image is good.
   * @throws ImgctlError `image_unverified`
   */
  confirmImage(image: ConfirmRequest, signal?: AbortSignal): Promise<readonly string[]>;
}

export interface ByteRange {
  readonly offset?: number;
  readonly length?: number;
}

export interface StoreInfo {
  readonly kind: 'containerd' | 'oci' | 'memory';
  readonly version: string;
  /** Where it is: a socket's or a directory's path; empty for memory. */
  readonly address: string;
  readonly namespace: string;
  /** Absent where images are not unpacked. */
  readonly snapshotter?: string | undefined;
  /** The platforms that the node runs, its own first. */
  readonly platforms: readonly Platform[];
  /** Free bytes of the store's file system; absent where it cannot be known. */
  readonly freeBytes?: number | undefined;
  /** Whether the kubelet's interface (CRI) is served for this namespace. */
  readonly cri: boolean;
}

export interface StoredImage {
  readonly name: string;
  readonly target: Descriptor;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAt?: Date | undefined;
}

export interface ImageRecord {
  readonly name: string;
  readonly target: Descriptor;
  /** Keeps the kubelet's image garbage collection away from it. */
  readonly pin?: boolean | undefined;
  /** More labels. One without a value is taken away; those that are not named stay. */
  readonly labels?: Readonly<Record<string, string | undefined>> | undefined;
}

export interface ConfirmRequest extends ImageRecord {
  /** Whether the node itself can run it; only then does the CRI know it. */
  readonly runnable: boolean;
}

export interface LeaseOptions {
  /** Whose lease it is: the agent's name, or `cli` for a local import. */
  readonly owner: string;
  readonly signal?: AbortSignal | undefined;
}

export interface Claim {
  /** Everything that the import wants, there or not. */
  readonly blobs: readonly Descriptor[];
  /** Chain IDs whose snapshots the import wants. */
  readonly chainIds?: readonly Digest[] | undefined;
}

/** What a store holds of what was claimed. */
export interface Holdings {
  readonly whole: ReadonlySet<Digest>;
  /** Bytes that it holds of blobs that a broken-off transfer left. */
  readonly partial: ReadonlyMap<Digest, number>;
  /** Chain IDs that are unpacked. */
  readonly unpacked: ReadonlySet<Digest>;
}

export interface WriteOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told after bytes were handed to the store, with the offset that it has now. */
  readonly onProgress?: ((offset: number) => void) | undefined;
  /** `registry/repository`s that the blob belongs to, so that peers and mirrors can share it. */
  readonly repositories?: readonly { readonly registry: string; readonly repository: string }[] | undefined;
}

/**
 * Protects what an import brings until it has a name. Exactly one of `release` and `leave` ends it;
 * disposal without either is `leave`.
 */
export interface Lease extends AsyncDisposable {
  /**
   * Takes blobs and snapshots under the lease, then tells which are there: in this order, so that nothing goes in between.
   * What a broken-off import of the same owner left of them is adopted.
   */
  claim(claim: Claim, signal?: AbortSignal): Promise<Holdings>;
  /**
   * Writes a blob from `offset` on, verified against its digest and size before it counts.
   * Bytes that arrived stay for the next try when `chunks` or the signal break it off.
   * Returns once the blob is whole; at once, without reading `chunks`, where it is whole already.
   * @throws ImgctlError `offset_mismatch` (context `offset`: what the store holds; no chunk was read),
   *   `digest_mismatch`, `size_mismatch` (what arrived is discarded), `blob_locked`, `store_full`, `lease_lost`, `store_unreachable`
   */
  write(
    blob: Descriptor,
    offset: number,
    chunks: AsyncIterable<Uint8Array>,
    options?: WriteOptions,
  ): Promise<void>;
  /** Writes `size` bytes whose digest is not known yet, and answers it. Nothing stays of a write that breaks off. */
  ingest(size: number, chunks: AsyncIterable<Uint8Array>, options?: WriteOptions): Promise<Digest>;
  /** Tells the store that `parent`, an index or a manifest, keeps its children. The parent must be whole. */
  retain(parent: Descriptor, children: RetainedChildren, signal?: AbortSignal): Promise<void>;
  /**
   * Notes of those of the blobs that are here which repository they belong to, beside others that they belong to.
   * Absent where blobs carry no such note.
   */
  attribute?(
    blobs: readonly Descriptor[],
    repository: { readonly registry: string; readonly repository: string },
    signal?: AbortSignal,
  ): Promise<void>;
  /** Present where the store unpacks images for containers. */
  readonly unpacker?: Unpacker | undefined;
  /** Gives the image its name, and `repository@digest` beside it, as pods that name the digest find it. */
  nameImage(image: ImageRecord, signal?: AbortSignal): Promise<void>;
  /** The import is finished: names keep what is needed, everything else may go. */
  release(): Promise<void>;
  /** The import is left unfinished: what arrived stays for an hour at most, for the next try. */
  leave(): Promise<void>;
}

export interface RetainedChildren {
  /** Of an index. */
  readonly manifests?: readonly Descriptor[] | undefined;
  /** Of a manifest. */
  readonly config?: Descriptor | undefined;
  readonly layers?: readonly Descriptor[] | undefined;
}

export interface Unpacker {
  /**
   * Applies one layer on top of its parent's snapshot; done already is fine.
   * @throws ImgctlError `unpack_failed` (also when the unpacked bytes do not have the diff ID)
   */
  unpackLayer(layer: UnpackLayer, signal?: AbortSignal): Promise<void>;
  /** Ties the unpacked image to its config, so that it stays as long as the image does. */
  retainSnapshot(config: Descriptor, topChainId: Digest, signal?: AbortSignal): Promise<void>;
}

export interface UnpackLayer {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
  readonly chainId: Digest;
  /** Absent for the bottom layer. */
  readonly parent?: Digest | undefined;
}
