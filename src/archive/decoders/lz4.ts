import xxhash from 'xxhash-wasm';
import { chunkBytes } from '../../streams/chunk-pool.ts';
import { unreadable } from '../archive-errors.ts';
import { ByteReader } from './byte-reader.ts';
import { decodeLz4Block } from './lz4-block.ts';

const frameMagic = 0x184d2204;
const legacyMagic = 0x184c2102;
/** How far back a match may reach. */
const windowBytes = 64 * 1024;
const legacyBlockBytes = 8 * 1024 * 1024;

type Xxhash = Awaited<ReturnType<typeof xxhash>>;

/**
 * Decodes lz4 (lz4_Frame_format.md 1.6), also several frames, and the legacy frames of `lz4 -l`.
 * Written here because the packages there are decode whole files in memory, or ship a native file per platform.
 */
export async function* unlz4(input: AsyncIterable<Uint8Array>, label: string): AsyncGenerator<Uint8Array> {
  const reader = new ByteReader(input, { label, format: 'lz4' });
  const hash = await xxhash();
  try {
    let magic = (await reader.take(4)).readUInt32LE();
    for (;;) {
      let next: number | undefined;
      if (magic === frameMagic) yield* readFrame(reader, label, hash);
      else if (magic === legacyMagic) next = yield* readLegacyFrame(reader, label);
      else if ((magic & 0xfffffff0) >>> 0 === 0x184d2a50)
        await reader.skip((await reader.take(4)).readUInt32LE());
      else throw damaged(label, 'what follows them is not lz4');
      if (next === undefined && (await reader.atEnd())) return;
      magic = next ?? (await reader.take(4)).readUInt32LE();
    }
  } finally {
    reader.close();
  }
}

async function* readFrame(
  reader: ByteReader,
  label: string,
  { h32Raw, create32 }: Xxhash,
): AsyncGenerator<Uint8Array> {
  const { linked, blockChecksum, contentChecksum, maxBlock } = await readHeader(reader, label, h32Raw);
  const buffer = Buffer.allocUnsafeSlow(windowBytes + maxBlock);
  const content = contentChecksum ? create32() : undefined;
  let window = 0;
  for (let word = await readWord(reader); word !== 0; word = await readWord(reader)) {
    const stored = word >>> 31 === 1;
    const size = word & 0x7fffffff;
    if (size > maxBlock) throw damaged(label, 'a block is larger than its frame allows');
    const block = await reader.take(size);
    if (blockChecksum && (await readWord(reader)) !== h32Raw(block))
      throw damaged(label, 'a checksum does not match');
    const end = stored ? window + block.copy(buffer, window) : decodeLz4Block(block, buffer, window);
    if (end === undefined || end - window > maxBlock) throw damaged(label, 'a block is malformed');
    content?.update(buffer.subarray(window, end));
    yield* pieces(buffer.subarray(window, end));
    const kept = linked ? Math.min(windowBytes, end) : 0;
    buffer.copyWithin(0, end - kept, end);
    window = kept;
  }
  if (content !== undefined && (await readWord(reader)) !== content.digest())
    throw damaged(label, 'the checksum does not match');
}

async function readHeader(reader: ByteReader, label: string, hash: Xxhash['h32Raw']) {
  const [flags, blockDescriptor] = (await reader.take(2)) as unknown as [number, number];
  if (flags >> 6 !== 1) throw damaged(label, 'their version is unknown');
  if ((flags & 1) === 1) throw damaged(label, 'they need a dictionary, which is not in the archive');
  const contentSize = await reader.take((flags & 8) === 0 ? 0 : 8);
  const checksum = await reader.byte();
  const descriptor = Buffer.concat([Buffer.from([flags, blockDescriptor]), contentSize]);
  if (((hash(descriptor) >> 8) & 0xff) !== checksum)
    throw damaged(label, 'a frame header does not match its checksum');
  const code = (blockDescriptor >> 4) & 7;
  if (code < 4) throw damaged(label, 'the size of their blocks is unknown');
  return {
    linked: (flags & 0x20) === 0,
    blockChecksum: (flags & 0x10) !== 0,
    contentChecksum: (flags & 4) !== 0,
    maxBlock: 1 << (8 + 2 * code),
  };
}

/** A legacy frame ends with the input or with another frame's magic, which is returned. */
async function* readLegacyFrame(
  reader: ByteReader,
  label: string,
): AsyncGenerator<Uint8Array, number | undefined> {
  const buffer = Buffer.allocUnsafeSlow(legacyBlockBytes);
  while (!(await reader.atEnd())) {
    const size = await readWord(reader);
    if (size > legacyBlockBytes + legacyBlockBytes / 255 + 16) return size;
    const end = decodeLz4Block(await reader.take(size), buffer, 0);
    if (end === undefined) throw damaged(label, 'a block is malformed');
    yield* pieces(buffer.subarray(0, end));
  }
  return undefined;
}

/** Copies of up to 1 MiB: the buffer is used again, and a chunk belongs to whoever receives it. */
function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += chunkBytes)
    yield Buffer.from(bytes.subarray(at, at + chunkBytes));
}

async function readWord(reader: ByteReader): Promise<number> {
  return (await reader.take(4)).readUInt32LE();
}

function damaged(label: string, why: string) {
  return unreadable(label, `its lz4 data are damaged: ${why}`);
}
