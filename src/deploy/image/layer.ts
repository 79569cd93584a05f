import { createHash, type Hash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { pack as tarPack } from 'tar-stream';
import type { Digest } from '../../image/digest.ts';
import type { RootEntry } from './root-files.ts';

/** A layer that was written to a file. */
export interface WrittenLayer {
  readonly digest: Digest;
  /** Bytes, compressed. */
  readonly size: number;
  /** Of the tar within. */
  readonly diffId: Digest;
}

/** Writes a gzipped tar of the entries, everything root's and of no time: the same files make the same bytes. */
export async function writeLayer(
  entries: readonly RootEntry[],
  file: string,
  signal?: AbortSignal,
): Promise<WrittenLayer> {
  const [plain, packed] = [createHash('sha256'), createHash('sha256')];
  const pack = tarPack();
  const written = pipeline(
    hashing(plain, pack as AsyncIterable<unknown> as AsyncIterable<Uint8Array>),
    createGzip({ chunkSize: 256 * 1024 }),
    (chunks: AsyncIterable<Uint8Array>) => hashing(packed, chunks),
    createWriteStream(file, { mode: 0o600 }),
    signal === undefined ? {} : { signal },
  );
  // Ends the other side too, so that neither waits for the one that failed
  const filled = fill(pack, entries).catch((error) => {
    pack.destroy(error);
    throw error;
  });
  await Promise.all([written, filled]);
  return { digest: digestIn(packed), size: (await stat(file)).size, diffId: digestIn(plain) };
}

async function fill(pack: ReturnType<typeof tarPack>, entries: readonly RootEntry[]): Promise<void> {
  for (const entry of entries) {
    const header = { name: entry.path.slice(1), mtime: new Date(0), uid: 0, gid: 0 };
    if (entry.kind === 'directory') {
      pack.entry({ ...header, name: `${header.name}/`, type: 'directory', mode: entry.mode });
    } else {
      const sink = pack.entry({ ...header, size: entry.size, mode: 0o755 });
      await pipeline(createReadStream(entry.from, { highWaterMark: 256 * 1024 }), sink);
    }
  }
  pack.finalize();
}

async function* hashing(hash: Hash, chunks: AsyncIterable<Uint8Array>) {
  for await (const chunk of chunks) {
    hash.update(chunk);
    yield chunk;
  }
}

function digestIn(hash: Hash): Digest {
  return `sha256:${hash.digest('hex')}` as Digest;
}
