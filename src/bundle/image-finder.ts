import type { Descriptor } from '../image/descriptor.ts';
import type { Digest } from '../image/digest.ts';
import type { Reference } from '../image/reference.ts';
import type { BlobSource } from '../image/source.ts';

/** The port of everything that has the image which a reference names: archives, registries. */
export interface ImageFinder {
  /** Undefined where it has none of that name. @throws ImgctlError where it cannot be told, or a name is ambiguous */
  find(reference: Reference, signal?: AbortSignal): Promise<FoundImage | undefined>;
}

export interface FoundImage {
  readonly target: Descriptor;
  /** Of its blobs. `sizeOf` knows those that documents name once these were read, and not what cannot be had. */
  readonly source: BlobSource;
  /** Whether its blobs come over a network: they are verified as they are read, and asked for ahead of their turn. */
  readonly isRemote?: boolean | undefined;
  /** Signatures and attestations that stand beside images there, of this one or not. */
  readonly attached: readonly AttachedDocument[];
}

/** A manifest that says something of an image. */
export interface AttachedDocument {
  /** As an index has it; with `org.opencontainers.image.ref.name` where its tag says what it is, as cosign's do. */
  readonly entry: Descriptor;
  /** What it is about; undefined where nothing says, and it is about all that is beside it. */
  readonly subject: Digest | undefined;
}
