import { PassThrough } from 'node:stream';
import type { BlobSource } from '../image/source.ts';
import {
  type ArchivedImage,
  type ArchiveLayout,
  archiveBlobs,
  archiveDocuments,
  archivePath,
} from './archive-documents.ts';
import { type WriteArchiveOptions, writeArchive } from './write-archive.ts';

const blockBytes = 512;
/** What a name may have without a header of its own, in bytes. */
const longestName = 100;

/**
 * How long the archive of these images is, in bytes, without writing it; undefined where a name is so long that the
 * tar has more than its plain headers.
 */
export function archiveLength(images: readonly ArchivedImage[]): number | undefined {
  const entries = [
    ...archiveDocuments(images).map(({ name, bytes }) => ({ name, size: bytes.byteLength })),
    ...archiveBlobs(images).map(({ digest, size }) => ({ name: archivePath(digest), size })),
  ];
  if (entries.some(({ name }) => name.length > longestName)) return undefined;
  const blocks = entries.reduce((sum, { size }) => sum + 1 + Math.ceil(size / blockBytes), 0);
  // Two empty blocks are the end
  return (blocks + 2) * blockBytes;
}

/** The archive of these images as it is written, no faster than it is read. Leaving the iteration ends the writing. */
export async function* archiveStream(
  images: readonly ArchivedImage[],
  source: Pick<BlobSource, 'read'>,
  signal?: AbortSignal,
  options: ArchiveLayout & Pick<WriteArchiveOptions, 'onBytes'> = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const left = new AbortController();
  const stop = signal === undefined ? left.signal : AbortSignal.any([signal, left.signal]);
  // Chunks stay what they are: joining them would copy every byte
  const output = new PassThrough({ readableObjectMode: true, readableHighWaterMark: 1 });
  // Whoever reads meets the error; one that comes when nobody reads any more is of no use
  output.on('error', () => {});
  const writing = writeArchive(images, output, {
    ...options,
    read: (digest) => source.read(digest, 0, stop),
    signal: stop,
  })
    .then(() => void output.end())
    .catch(
      (error: unknown) => void output.destroy(error instanceof Error ? error : new Error(String(error))),
    );
  try {
    for await (const chunk of output as AsyncIterable<Uint8Array>) yield chunk;
  } finally {
    left.abort();
    output.destroy();
    await writing;
  }
}
