import type { ArchiveLayout } from '../archive/archive-documents.ts';
import { archiveBlobs } from '../archive/archive-documents.ts';
import { archiveStream } from '../archive/archive-stream.ts';
import { type BundleCompression, compressed } from './compress.ts';
import type { GatheredImages } from './gather-images.ts';

export interface WriteBundleOptions extends Pick<ArchiveLayout, 'sign' | 'annotations' | 'leftOut'> {
  readonly compression: BundleCompression;
  readonly onBytes?: ((bytes: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface WrittenBundle {
  readonly blobs: number;
  /** Of the blobs, before the whole is compressed. */
  readonly bytes: number;
  /** Its bytes: with a compression, a frame that stands by itself a chunk. */
  readonly chunks: AsyncIterable<Uint8Array>;
}

/**
 * Images as one archive: an OCI image layout that Docker, containerd, skopeo and oras load, each blob once. The same images
 * give the same bytes.
 */
export function writeBundle(
  gathered: GatheredImages,
  { compression, onBytes, signal, ...options }: WriteBundleOptions,
): WrittenBundle {
  const { images, attached } = gathered;
  const layout: ArchiveLayout = { ...options, attached, refName: 'whole' };
  const blobs = archiveBlobs(images, layout);
  const bytes = blobs.reduce((sum, { size }) => sum + size, 0);
  const tar = archiveStream(images, gathered, signal, {
    ...layout,
    onBytes: (written) => onBytes?.(written, bytes),
  });
  return { blobs: blobs.length, bytes, chunks: compression === 'none' ? tar : compressed(tar, compression) };
}
