import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack as tarPack } from 'tar-stream';
import type { Digest } from '../image/digest.ts';
import {
  type ArchivedImage,
  type ArchiveLayout,
  archiveBlobs,
  archiveDocuments,
  archivePath,
} from './archive-documents.ts';

export interface WriteArchiveOptions extends ArchiveLayout {
  /** The bytes of a blob, all of them. */
  readonly read: (digest: Digest) => AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal | undefined;
  /** Told the bytes of blobs that were written so far. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/**
 * Writes images as a tar that is an OCI image layout and what `docker save` writes at once, so that every tool takes it
 * back. The small documents come first: whoever reads it as a stream knows what follows. The same images give the same
 * bytes, on any day. `output` is not ended.
 */
export async function writeArchive(
  images: readonly ArchivedImage[],
  output: Writable,
  { read, signal, onBytes, ...layout }: WriteArchiveOptions,
): Promise<void> {
  const pack = tarPack();
  const piped = pipeline(pack, output, { end: false, ...(signal === undefined ? {} : { signal }) });
  // When the output breaks, nobody drains the tar any more: whatever waits for it must hear
  const broken = piped.then(() => new Promise<never>(() => {}));
  broken.catch(() => {});
  let written = 0;
  try {
    for (const { name, bytes } of archiveDocuments(images, layout))
      await addEntry(pack, { name, size: bytes.byteLength }, [bytes], () => {});
    for (const { digest, size } of archiveBlobs(images, layout)) {
      await Promise.race([
        broken,
        addEntry(pack, { name: archivePath(digest), size }, read(digest), (bytes) => {
          written += bytes;
          onBytes?.(written);
        }),
      ]);
    }
    pack.finalize();
  } catch (error) {
    pack.destroy(error instanceof Error ? error : new Error(String(error)));
    // The first error is the cause of all others
    await piped.catch(() => {});
    throw error;
  }
  await piped;
}

async function addEntry(
  pack: Pack,
  header: { readonly name: string; readonly size: number },
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const added = Promise.withResolvers<void>();
  const entry = pack.entry({ ...header, mode: 0o444, mtime: new Date(0) }, (error) =>
    error ? added.reject(error) : added.resolve(),
  );
  added.promise.catch(() => {});
  // Told also between two chunks, when nobody waits for it
  entry.on('error', added.reject);
  for await (const chunk of chunks) {
    if (!entry.write(chunk)) await once(entry, 'drain');
    onBytes(chunk.byteLength);
  }
  entry.end(null);
  await added.promise;
}
