import { ImgctlError } from '../../src/errors.ts';
import type { Digest } from '../../src/image/digest.ts';
import type { ImageSource, SourceImage } from '../../src/image/source.ts';
import type { TestBlob } from './blobs.ts';

/** A source of images in memory, that counts what is read of it. */
export interface MemorySource extends ImageSource {
  /** Bytes that were read of each blob. */
  readonly bytesRead: Map<Digest, number>;
}

export function memorySource(
  images: readonly SourceImage[],
  blobs: readonly TestBlob[],
  chunkBytes = 64 * 1024,
): MemorySource {
  const contents = new Map(blobs.map(({ descriptor, bytes }) => [descriptor.digest, bytes]));
  const bytesRead = new Map<Digest, number>();
  return {
    images,
    bytesRead,
    sizeOf: (digest) => contents.get(digest)?.byteLength,
    async *read(digest, offset, signal) {
      const bytes = contents.get(digest);
      if (bytes === undefined) throw new ImgctlError('blob_unknown', `no blob ${digest}`);
      for (let at = offset; at < bytes.byteLength; at += chunkBytes) {
        signal?.throwIfAborted();
        const chunk = bytes.slice(at, at + chunkBytes);
        bytesRead.set(digest, (bytesRead.get(digest) ?? 0) + chunk.byteLength);
        yield chunk;
      }
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}
