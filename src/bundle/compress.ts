import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { constants, gzip, zstdCompress, zstdCompressSync } from 'node:zlib';
import { giveBackChunk } from '../streams/chunk-pool.ts';
import { storedFrame } from '../streams/zstd-frames.ts';

const gzipAsync = promisify(gzip);
const zstdAsync = promisify(zstdCompress);

/** How a bundle is written. */
export type BundleCompression = 'none' | 'gzip' | 'zstd';

/**
 * Bytes that are compressed by themselves, into a frame or member of their own: several at once, in as many threads as
 * there are, and the same whatever their number. Larger pieces save next to nothing more.
 */
const pieceBytes = 4 * 1024 * 1024;
/** libuv has no more threads. */
const atOnce = Math.min(4, availableParallelism());

const zstdLevel = 3;
/** Three places of this many bytes tell what compressing all of a piece would bring. */
const sampleBytes = 16 * 1024;

/**
 * Compresses what comes, in frames (RFC 8878) or members (RFC 1952) one after the other, each a chunk. What is compressed
 * already, as most layers are, is put in as it is.
 */
export async function* compressed(
  chunks: AsyncIterable<Uint8Array>,
  compression: Exclude<BundleCompression, 'none'>,
): AsyncGenerator<Buffer, void, undefined> {
  const compress = compression === 'zstd' ? zstdPiece : gzipPiece;
  // Large buffers are used again: new ones cost more than what is done with them
  const idle: Buffer[] = [];
  const take = () => idle.pop() ?? Buffer.allocUnsafeSlow(pieceBytes);
  const compressPiece = async ({ buffer, length }: Piece) => {
    const result = await compress(buffer.subarray(0, length));
    idle.push(buffer);
    return result;
  };
  const underWay: Promise<Buffer>[] = [];
  try {
    for await (const piece of pieces(chunks, take)) {
      const work = compressPiece(piece);
      // Whoever awaits it hears of it; one before it may fail first
      work.catch(() => {});
      underWay.push(work);
      const first = underWay.length < atOnce ? undefined : underWay.shift();
      if (first !== undefined) yield await first;
    }
    for (const rest of underWay.splice(0)) yield await rest;
  } finally {
    await Promise.allSettled(underWay);
  }
}

async function zstdPiece(piece: Buffer): Promise<Buffer> {
  if (!isWorthwhile(piece)) return storedFrame(piece);
  const params = { [constants.ZSTD_c_compressionLevel]: zstdLevel, [constants.ZSTD_c_checksumFlag]: 1 };
  return zstdAsync(piece, { params });
}

async function gzipPiece(piece: Buffer): Promise<Buffer> {
  const level = isWorthwhile(piece) ? constants.Z_DEFAULT_COMPRESSION : constants.Z_NO_COMPRESSION;
  return gzipAsync(piece, { level });
}

/** Whether compressing would save a thirtieth. A millisecond's work, where it might be a tenth of a second's for nothing. */
function isWorthwhile(piece: Buffer): boolean {
  const last = Math.max(0, piece.byteLength - sampleBytes);
  const places = [0, last >> 1, last];
  const sample = Buffer.concat(places.map((at) => piece.subarray(at, at + sampleBytes)));
  return zstdCompressSync(sample).byteLength < sample.byteLength * 0.97;
}

interface Piece {
  readonly buffer: Buffer;
  readonly length: number;
}

/** What comes in pieces of one size, but for the last. */
async function* pieces(
  chunks: AsyncIterable<Uint8Array>,
  take: () => Buffer,
): AsyncGenerator<Piece, void, undefined> {
  let buffer = take();
  let length = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.byteLength; ) {
      const part = chunk.subarray(at, at + pieceBytes - length);
      buffer.set(part, length);
      length += part.byteLength;
      at += part.byteLength;
      if (length < pieceBytes) continue;
      yield { buffer, length };
      buffer = take();
      length = 0;
    }
    giveBackChunk(chunk);
  }
  if (length > 0) yield { buffer, length };
}
