import type { Descriptor } from './descriptor.ts';
import type { Digest } from './digest.ts';
import type { KeptIn } from './platform-hint.ts';

/**
 * The port of everything that images come from: an archive, a store, and later a registry or a peer.
 * Importing is copying a graph of blobs from one of these to a store.
 */
export interface BlobSource {
  /** Absent: in an archive. */
  readonly keptIn?: KeptIn | undefined;
  /** Of a source that is only what has changed since another: that one. It has what is not here. */
  readonly base?: SourceBase | undefined;
  /** Size in bytes of a blob that is here, whole; undefined where it is not. */
  sizeOf(digest: Digest): number | undefined;
  /**
   * Whether nodes hold it that others can get it from, whatever this source has itself. A source that knows of no nodes
   * leaves it out.
   */
  heldByNodes?(digest: Digest): boolean;
  /**
   * What a layer unpacks to, in bytes, as far as that can be told without reading it: at least so much.
   * A source that never knows leaves it out.
   */
  unpackedSizeOf?(digest: Digest): Promise<number | undefined>;
  /**
   * The blob's bytes from `offset` on, in chunks of up to 1 MiB, read as they are asked for.
   * May be called any number of times, also at once. What it yields is not verified: whoever stores it does that.
   * A chunk belongs to whoever received it.
   * @throws ImgctlError `blob_unknown`, `archive_truncated`, `archive_unreadable`
   */
  read(digest: Digest, offset: number, signal?: AbortSignal): AsyncIterable<Uint8Array>;
}

export interface SourceBase {
  /** Of its index.json. */
  readonly digest: Digest;
  /** What its file was called. */
  readonly name: string;
}

/** An image as a source declares it: the name, normalised and whole, and the root of its graph. */
export interface SourceImage {
  readonly name?: string | undefined;
  readonly target: Descriptor;
}

export interface ImageSource extends BlobSource, AsyncDisposable {
  readonly images: readonly SourceImage[];
}

export interface SourceBlob {
  readonly digest: Digest;
  /** In bytes. */
  readonly size: number;
}

/** A source that is still being read. Its blobs can be had as soon as they are whole, its images when all is read. */
export interface GrowingSource extends ImageSource {
  /**
   * Blobs that name themselves, whole and verified, each once, in the order in which they came: from the `from`th on,
   * as soon as there is one; none when all is read, or was in vain.
   */
  arrivals(from: number, signal?: AbortSignal): Promise<readonly SourceBlob[]>;
  /** Resolves when all is read: `images` are known from then on. Rejects when the source is no good. */
  readonly whole: Promise<void>;
}
