import type { ArchiveBlob } from './archive-blobs.ts';
import { detectCompression, magicBytes } from './compression.ts';
import type { PositionedFile } from './positioned-file.ts';

/**
 * What a blob is at least when it is unpacked, in bytes, from its first and last bytes alone: an uncompressed one has
 * its own size, and compressed ones mostly say. Never less than the blob itself: nobody compresses to make more of it.
 */
export async function unpackedSize(file: PositionedFile, blob: ArchiveBlob): Promise<number> {
  if (blob.bytes !== undefined) return blob.size;
  const { position } = blob.file;
  const start = Buffer.alloc(Math.min(magicBytes, blob.size));
  await file.readInto(start, position);
  const compression = detectCompression(start);
  if (compression === 'zstd') return Math.max(blob.size, zstdContentSize(start) ?? 0);
  if (compression !== 'gzip' || blob.size < 18) return blob.size;
  // ISIZE (RFC 1952, 2.3.1): the size modulo 2^32, and of the last member only where there are several
  const end = Buffer.alloc(4);
  await file.readInto(end, position + blob.size - 4);
  return Math.max(blob.size, end.readUInt32LE());
}

/** Frame_Content_Size of the first frame (RFC 8878, 3.1.1.1.4), where it is told. */
function zstdContentSize(frame: Buffer): number | undefined {
  // A skippable frame comes first where tools leave something of their own
  if (frame.byteLength < 18 || frame.readUInt32LE() !== 0xfd2fb528) return undefined;
  const descriptor = frame.readUInt8(4);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const dictionaryIdBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const at = 5 + (isSingleSegment ? 0 : 1) + dictionaryIdBytes;
  switch (descriptor >> 6) {
    case 0:
      return isSingleSegment ? frame.readUInt8(at) : undefined;
    case 1:
      return frame.readUInt16LE(at) + 256;
    case 2:
      return frame.readUInt32LE(at);
    default: {
      const size = frame.readBigUInt64LE(at);
      return size <= Number.MAX_SAFE_INTEGER ? Number(size) : undefined;
    }
  }
}
