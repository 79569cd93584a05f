import type { Descriptor } from '../image/descriptor.ts';
import { type Digest, digestAlgorithm, digestHex, digestOf, isDigest } from '../image/digest.ts';
import type { ArchiveFiles } from './archive-files.ts';
import type { ArchiveFile } from './tar-index.ts';

/** Where a blob's bytes are: a file of the archive, or memory for a document that was made here. */
export type ArchiveBlob = { readonly size: number } & (
  | { readonly file: ArchiveFile; readonly bytes?: never }
  | { readonly bytes: Uint8Array; readonly mediaType: string; readonly file?: never }
);

/** A document that was made, or held back, while reading the archive. */
export interface HeldDocument {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

/** The digest that a file claims by its place, as an OCI image layout has blobs ("Blobs"). */
export function digestOfPath(name: string): Digest | undefined {
  const match = /^blobs\/(sha256|sha512)\/([0-9a-f]+)$/.exec(name);
  const digest = match === null ? '' : `${match[1]}:${match[2]}`;
  return isDigest(digest) ? digest : undefined;
}

/** The blobs of an archive by digest: those of an OCI layout by their place, others as they are added. */
export class ArchiveBlobs {
  readonly #files: ArchiveFiles;
  readonly #added = new Map<Digest, ArchiveBlob>();

  constructor(files: ArchiveFiles) {
    this.#files = files;
  }

  find(digest: Digest): ArchiveBlob | undefined {
    const added = this.#added.get(digest);
    if (added !== undefined) return added;
    const file = this.#files.find(`blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`);
    return file === undefined ? undefined : { file, size: file.size };
  }

  sizeOf(digest: Digest): number | undefined {
    return this.find(digest)?.size;
  }

  addFile(digest: Digest, file: ArchiveFile): void {
    if (this.find(digest) === undefined) this.#added.set(digest, { file, size: file.size });
  }

  addDocument(mediaType: string, bytes: Uint8Array): Descriptor {
    const digest = digestOf(bytes);
    if (this.find(digest) === undefined)
      this.#added.set(digest, { mediaType, bytes, size: bytes.byteLength });
    return { mediaType, digest, size: bytes.byteLength };
  }

  /** Documents that are in no file under their own digest. */
  get documents(): HeldDocument[] {
    return [...this.#added].flatMap(([digest, blob]) =>
      blob.bytes === undefined
        ? []
        : [{ descriptor: { mediaType: blob.mediaType, digest, size: blob.size }, bytes: blob.bytes }],
    );
  }
}
