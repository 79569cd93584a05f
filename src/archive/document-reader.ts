import { ImgctlError } from '../errors.ts';
import type { Descriptor } from '../image/descriptor.ts';
import { type Digest, digestAlgorithm, digestOf } from '../image/digest.ts';
import { isDocumentType, maxDocumentBytes, parseDocument } from '../image/documents.ts';
import { isIndexType } from '../image/media-types.ts';
import type { ArchiveBlobs } from './archive-blobs.ts';
import type { ArchiveFiles } from './archive-files.ts';

/** More look-ups than the documents of any archive need; a bound on what a hostile graph can cost. */
const maxReads = 100_000;

/** The documents of an archive's images, each read once and verified. */
export class DocumentReader {
  readonly #files: ArchiveFiles;
  readonly #blobs: ArchiveBlobs;
  readonly #documents = new Map<Digest, Uint8Array>();
  #reads = 0;

  constructor(files: ArchiveFiles, blobs: ArchiveBlobs) {
    this.#files = files;
    this.#blobs = blobs;
  }

  /**
   * Undefined where the archive does not have it, and for what is no document of an image.
   * @throws ImgctlError `digest_mismatch`, `size_mismatch`, `document_too_large`, `archive_too_large`, `image_cycle`
   */
  read = async (descriptor: Descriptor): Promise<Uint8Array | undefined> => {
    this.#reads += 1;
    if (this.#reads > maxReads)
      throw this.#error('archive_too_large', 'its indexes name too many images', descriptor);
    const known = this.#documents.get(descriptor.digest);
    if (known !== undefined) return known;
    const blob = this.#blobs.find(descriptor.digest);
    if (blob === undefined || !isDocumentType(descriptor.mediaType)) return undefined;
    if (descriptor.size > maxDocumentBytes || blob.size > maxDocumentBytes) {
      const size = Math.max(descriptor.size, blob.size);
      throw this.#error(
        'document_too_large',
        `${descriptor.digest} is an index, manifest or config and has ${size} bytes`,
        descriptor,
      );
    }
    const bytes = blob.bytes ?? (await this.#files.read(blob.file));
    this.#verify(descriptor, bytes);
    this.#documents.set(descriptor.digest, bytes);
    return bytes;
  };

  #verify(descriptor: Descriptor, bytes: Uint8Array): void {
    const { digest, size } = descriptor;
    const actual = digestOf(bytes, digestAlgorithm(digest));
    if (actual !== digest) {
      // No honest index can contain its own digest, or one that leads back to it
      if (this.#leadsBack(descriptor, bytes))
        throw this.#error('image_cycle', `the index ${digest} contains itself`, descriptor);
      throw this.#error('digest_mismatch', `the bytes of ${digest} have the digest ${actual}`, descriptor);
    }
    if (bytes.byteLength !== size) {
      throw this.#error(
        'size_mismatch',
        `${digest} has ${bytes.byteLength} bytes, its descriptor says ${size}`,
        descriptor,
      );
    }
  }

  #leadsBack(descriptor: Descriptor, bytes: Uint8Array): boolean {
    if (!isIndexType(descriptor.mediaType)) return false;
    const document = parseDocument(descriptor, bytes);
    const isMet = (digest: Digest) => digest === descriptor.digest || this.#documents.has(digest);
    return (
      document.kind === 'index' &&
      document.manifests.some(({ mediaType, digest }) => isIndexType(mediaType) && isMet(digest))
    );
  }

  #error(
    code: 'archive_too_large' | 'document_too_large' | 'digest_mismatch' | 'size_mismatch' | 'image_cycle',
    message: string,
    { digest }: Descriptor,
  ): ImgctlError {
    return new ImgctlError(code, `${this.#files.label}: ${message}`, {
      hint: hints[code],
      context: { path: this.#files.label, digest },
    });
  }
}

const hints = {
  archive_too_large: 'No tool makes such an archive: do not trust it.',
  image_cycle: 'No tool makes such an image: do not trust this archive.',
  document_too_large: `Documents of up to ${maxDocumentBytes} bytes are read: no image tool writes larger ones.`,
  digest_mismatch: 'The archive was damaged: copy it again, or save the image again.',
  size_mismatch: 'The archive was damaged: copy it again, or save the image again.',
};
