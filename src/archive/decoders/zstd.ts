import { constants, createZstdDecompress } from 'node:zlib';
import { unreadable } from '../archive-errors.ts';
import { type FrameWalk, splitFrames } from './split-frames.ts';
import { decodedBytes, throughZlib } from './zlib.ts';

/** As far back as `zstd --long=31` looks; node:zlib refuses more than 27 unless told. Only such archives take the memory. */
const windowLogMax = 31;

/**
 * Decodes zstd (RFC 8878). node:zlib of Node.js 24 fails on what follows the first frame in a chunk: pzstd,
 * `cat a.zst b.zst` and the seekable format write many, so each frame gets a decompressor of its own.
 */
export async function* unzstd(input: AsyncIterable<Uint8Array>, label: string): AsyncGenerator<Uint8Array> {
  const format = 'zstd';
  for await (const frame of splitFrames(input, () => walkFrame(label), { label, format })) {
    const params = { [constants.ZSTD_d_windowLogMax]: windowLogMax };
    yield* throughZlib(frame, createZstdDecompress({ chunkSize: decodedBytes, params }), { label, format });
  }
}

/** RFC 8878, section 3.1: a frame is a header, blocks that say their size, and a checksum where the header says so. */
function* walkFrame(label: string): FrameWalk {
  const magic = (yield { take: 4 }).readUInt32LE();
  if ((magic & 0xfffffff0) >>> 0 === 0x184d2a50) {
    yield { skip: (yield { take: 4 }).readUInt32LE() };
    return;
  }
  if (magic !== 0xfd2fb528) throw unreadable(label, 'what follows its zstd data is not zstd');
  const descriptor = (yield { take: 1 }).readUInt8();
  const singleSegment = (descriptor >> 5) & 1;
  const dictionaryId = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const contentSize = [singleSegment, 2, 4, 8][descriptor >> 6] ?? 0;
  yield { skip: 1 - singleSegment + dictionaryId + contentSize };
  for (let last = false; !last; ) {
    const header = (yield { take: 3 }).readUIntLE(0, 3);
    last = (header & 1) === 1;
    // A run of one byte stores that byte alone
    const isRun = ((header >> 1) & 3) === 1;
    yield { skip: isRun ? 1 : header >> 3 };
  }
  if (((descriptor >> 2) & 1) === 1) yield { skip: 4 };
}
