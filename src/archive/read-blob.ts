import { ImgctlError } from '../errors.ts';
import type { Digest } from '../image/digest.ts';
import type { ArchiveBlob } from './archive-blobs.ts';
import type { PositionedFile } from './positioned-file.ts';

/** @throws ImgctlError `blob_unknown`, `offset_mismatch`, `archive_truncated`, `archive_unreadable` */
export async function* readBlob(
  file: PositionedFile,
  blob: ArchiveBlob | undefined,
  { digest, offset, signal }: { digest: Digest; offset: number; signal?: AbortSignal | undefined },
): AsyncGenerator<Uint8Array> {
  const context = { path: file.label, digest };
  if (blob === undefined) {
    throw new ImgctlError('blob_unknown', `${digest} is not in ${file.label}`, {
      hint: 'Save the image again with all of its layers.',
      context,
    });
  }
  if (!Number.isSafeInteger(offset) || offset < 0 || offset > blob.size) {
    throw new ImgctlError(
      'offset_mismatch',
      `${digest} has ${blob.size} bytes, asked for from ${offset} on`,
      { context },
    );
  }
  signal?.throwIfAborted();
  if (blob.bytes === undefined) yield* file.chunks(blob.file.position + offset, blob.size - offset, signal);
  // A copy: a chunk belongs to whoever receives it
  else if (offset < blob.size) yield Uint8Array.from(blob.bytes.subarray(offset));
}
