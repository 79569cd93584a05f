import type { Archive } from '../archive/archive.ts';
import type { ArchiveLayout } from '../archive/archive-documents.ts';
import { archiveBlobs, archiveIndex } from '../archive/archive-documents.ts';
import { archiveStream } from '../archive/archive-stream.ts';
import { deltaAnnotations } from '../archive/delta.ts';
import { type Digest, digestOf } from '../image/digest.ts';
import { blobsAhead } from './blobs-ahead.ts';
import { type BundleCompression, compressed } from './compress.ts';
import type { GatheredImages } from './gather-images.ts';

export interface WriteBundleOptions extends Pick<ArchiveLayout, 'sign'> {
  readonly compression: BundleCompression;
  /** The bundle is a delta then: what this one has is left out, but for documents. `name`: what to call it. */
  readonly base?: { readonly name: string; readonly archive: Archive } | undefined;
  readonly onBytes?: ((bytes: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface WrittenBundle {
  /** Of its index.json: it stands for all that is in it. */
  readonly index: Digest;
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
  { compression, base, onBytes, signal, sign }: WriteBundleOptions,
): WrittenBundle {
  const { images, attached } = gathered;
  const layout: ArchiveLayout = { sign, attached, refName: 'whole', ...(base && deltaOf(base)) };
  const blobs = archiveBlobs(images, layout);
  const bytes = blobs.reduce((sum, { size }) => sum + size, 0);
  const remote = blobs.filter(({ digest }) => gathered.isRemote(digest));
  const tar = archiveStream(images, blobsAhead(remote, gathered), signal, {
    ...layout,
    onBytes: (written) => onBytes?.(written, bytes),
  });
  return {
    index: digestOf(archiveIndex(images, layout)),
    blobs: blobs.length,
    bytes,
    chunks: compression === 'none' ? tar : compressed(tar, compression),
  };
}

function deltaOf({ name, archive }: NonNullable<WriteBundleOptions['base']>): ArchiveLayout {
  const digest = digestOf(archive.index ?? '');
  return {
    annotations: deltaAnnotations({ name, digest }),
    leftOut: (blob) => archive.sizeOf(blob) !== undefined,
  };
}
