import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { type Digest, digestAlgorithm, parseDigest } from '../../image/digest.ts';
import { chunkBytes, giveBackChunk, lendChunk, shortened } from '../../streams/chunk-pool.ts';
import type { ByteRange } from '../store.ts';
import { syncDirectory } from './durable-file.ts';
import type { LayoutPaths } from './layout-paths.ts';
import { blobUnknown } from './store-errors.ts';

/** Whole, verified blobs: `blobs/<algorithm>/<hex>`. */
export class BlobFiles {
  readonly #paths: LayoutPaths;

  constructor(paths: LayoutPaths) {
    this.#paths = paths;
  }

  /** In bytes; undefined where it is not here. */
  async sizeOf(digest: Digest): Promise<number | undefined> {
    const stats = await stat(this.#paths.blob(digest)).catch(absent);
    return stats?.isFile() ? stats.size : undefined;
  }

  /** @throws ImgctlError `blob_unknown` */
  async *read(digest: Digest, range: ByteRange = {}, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    signal?.throwIfAborted();
    await using file = await open(this.#paths.blob(digest), 'r').catch(absent);
    if (file === undefined) throw blobUnknown(digest);
    const start = range.offset ?? 0;
    // A small blob is no reason for a large buffer
    const { size } = await file.stat();
    yield* readRange(file, start, Math.min(size, start + (range.length ?? size)), signal);
  }

  /** The digest that the file's bytes have: another one only where the file was damaged. */
  async digestOfFile(digest: Digest, signal?: AbortSignal): Promise<Digest> {
    const hash = createHash(digestAlgorithm(digest));
    for await (const chunk of this.read(digest, {}, signal)) {
      hash.update(chunk);
      giveBackChunk(chunk);
    }
    return parseDigest(`${digestAlgorithm(digest)}:${hash.digest('hex')}`);
  }

  /** Moves a finished, synced file to its place, durably. */
  async publish(path: string, digest: Digest): Promise<void> {
    const folder = this.#paths.blobFolder(digest);
    if ((await mkdir(folder, { recursive: true })) !== undefined) await syncDirectory(this.#paths.blobs);
    await rename(path, this.#paths.blob(digest));
    await syncDirectory(folder);
  }

  async remove(digest: Digest): Promise<void> {
    await rm(this.#paths.blob(digest), { force: true });
  }
}

/** Bytes from `start` up to `end` (or the file's end), in chunks that belong to whoever receives them; large ones are lent. */
export async function* readRange(
  file: FileHandle,
  start: number,
  end: number,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for (let at = start; at < end; ) {
    signal?.throwIfAborted();
    const length = Math.min(chunkBytes, end - at);
    const buffer = length === chunkBytes ? lendChunk() : Buffer.allocUnsafeSlow(length);
    const { bytesRead } = await file.read(buffer, 0, length, at);
    if (bytesRead === 0) return;
    yield shortened(buffer, bytesRead);
    at += bytesRead;
  }
}

function absent(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
  throw error;
}
