import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Digest, parseDigest } from '../../image/digest.ts';
import { abortable } from '../../streams/abortable.ts';
import { giveBackChunk } from '../../streams/chunk-pool.ts';
import { readRange } from './blob-files.ts';
import { ofStore, sizeMismatch } from './store-errors.ts';

export interface Reception {
  readonly path: string;
  readonly algorithm: 'sha256' | 'sha512';
  /** Bytes of the whole blob. */
  readonly size: number;
  /** Bytes that the file has already. */
  readonly offset: number;
  readonly digest?: Digest | undefined;
  readonly onProgress?: ((offset: number) => void) | undefined;
}

/**
 * Appends chunks to the file until it has all its bytes, synced, and answers their digest.
 * However it ends, the file holds the blob's first bytes and nothing else.
 * @throws ImgctlError `size_mismatch`, `store_full`, and what `chunks` throw
 */
export async function receive(
  { path, algorithm, size, offset, digest, onProgress }: Reception,
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<Digest> {
  const directory = dirname(path);
  const expected = { size, ...(digest && { digest }) };
  await using file = await ofStore(directory, open(path, offset === 0 ? 'w' : 'r+', 0o644));
  const hash = createHash(algorithm);
  // What was hashed before is not kept anywhere: the file is the truth, also after a crash
  for await (const chunk of readRange(file, 0, offset, signal)) {
    hash.update(chunk);
    giveBackChunk(chunk);
  }
  let at = offset;
  for await (const chunk of abortable(chunks, signal)) {
    if (at + chunk.byteLength > size) throw sizeMismatch(expected, at + chunk.byteLength);
    await ofStore(directory, append(file, chunk, at, hash));
    at += chunk.byteLength;
    giveBackChunk(chunk);
    onProgress?.(at);
  }
  if (at < size) throw sizeMismatch(expected, at);
  await ofStore(directory, file.datasync());
  return parseDigest(`${algorithm}:${hash.digest('hex')}`);
}

async function append(file: FileHandle, chunk: Uint8Array, offset: number, hash: Hash): Promise<void> {
  const writing = file.write(chunk, 0, chunk.byteLength, offset);
  // Hashed here while another thread writes
  hash.update(chunk);
  let { bytesWritten: done } = await writing;
  // A disk that is nearly full takes a part, and refuses the rest by an error
  while (done < chunk.byteLength) {
    done += (await file.write(chunk, done, chunk.byteLength - done, offset + done)).bytesWritten;
  }
}
