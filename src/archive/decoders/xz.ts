import { createHash, type Hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { unreadable } from '../archive-errors.ts';
import { ByteReader } from './byte-reader.ts';
import { LzmaError } from './lzma-window.ts';
import { dictionaryBytes, readLzma2 } from './lzma2.ts';
import { checkBytes, crc32Bytes, makeCheck } from './xz-check.ts';

const headerMagic = Buffer.from('fd377a585a00', 'hex');
const footerMagic = Buffer.from('YZ');
const lzma2Filter = 0x21;

/**
 * Decodes xz (the .xz file format 1.2.1), also several streams one after the other and padding between them.
 * Written here because the packages there have install scripts (node-liblzma, lzma-native), fetch code while they run
 * (xz-compat), or refuse SHA-256 checks and further streams and let one archive at a time decode (xz-decompress).
 */
export async function* unxz(input: AsyncIterable<Uint8Array>, label: string): AsyncGenerator<Uint8Array> {
  const reader = new ByteReader(input, { label, format: 'xz' });
  try {
    do yield* readStream(reader);
    while (await skipPadding(reader));
  } catch (thrown) {
    if (thrown instanceof LzmaError) throw unreadable(label, `its xz data are damaged: ${thrown.message}`);
    throw thrown;
  } finally {
    reader.close();
  }
}

/** Padding is zeros, four at a time. @returns whether a stream follows */
async function skipPadding(reader: ByteReader): Promise<boolean> {
  while (!(await reader.atEnd())) {
    if ((await reader.peekByte()) !== 0) return true;
    if ((await reader.take(4)).some((byte) => byte !== 0)) throw new LzmaError('what follows them is not xz');
  }
  return false;
}

async function* readStream(reader: ByteReader): AsyncGenerator<Uint8Array> {
  const magic = await reader.take(6);
  if (!magic.equals(headerMagic)) throw new LzmaError('what follows them is not xz');
  const flags = Buffer.from(await reader.take(2));
  const kind = flags[1] ?? 0;
  await expectCrc(reader, flags);
  if (flags[0] !== 0 || kind > 15) throw new LzmaError('their version is unknown');
  // The index repeats the sizes of all blocks: a running hash compares them without a list
  const sizes = createHash('sha256');
  let blocks = 0;
  for (let first = await reader.byte(); first !== 0; first = await reader.byte()) {
    yield* readBlock(reader, first, { kind, sizes });
    blocks++;
  }
  const indexBytes = await readIndex(reader, { blocks, sizes: sizes.digest() });
  const stored = await reader.take(4);
  const footer = Buffer.from(await reader.take(6));
  const backward = (footer.readUInt32LE() + 1) * 4;
  if (
    !stored.equals(crc32Bytes(crc32(footer))) ||
    backward !== indexBytes ||
    !footer.subarray(4).equals(flags)
  ) {
    throw new LzmaError('the end of a stream does not match its beginning');
  }
  if (!(await reader.take(2)).equals(footerMagic)) throw new LzmaError('a stream does not end as it should');
}

async function* readBlock(
  reader: ByteReader,
  first: number,
  { kind, sizes }: { kind: number; sizes: Hash },
): AsyncGenerator<Uint8Array> {
  const headerBytes = (first + 1) * 4;
  const header = Buffer.concat([Buffer.from([first]), await reader.take(headerBytes - 5)]);
  await expectCrc(reader, header);
  const { dictionary, packed, unpacked } = readBlockHeader(header);
  const start = reader.position;
  const check = makeCheck(kind);
  let total = 0;
  for await (const piece of readLzma2(reader, dictionary)) {
    check?.update(piece);
    total += piece.byteLength;
    yield piece;
  }
  const taken = reader.position - start;
  if ((packed ?? taken) !== taken || (unpacked ?? total) !== total)
    throw new LzmaError('a block has not the size it says');
  const padding = await reader.take((4 - (taken % 4)) % 4);
  if (padding.some((byte) => byte !== 0)) throw new LzmaError('a block is followed by something');
  const stored = await reader.take(checkBytes(kind));
  if (check !== undefined && !stored.equals(check.digest())) throw new LzmaError('a checksum does not match');
  sizes.update(`${headerBytes + taken + checkBytes(kind)} ${total}\n`);
}

function readBlockHeader(header: Buffer): { dictionary: number; packed?: number; unpacked?: number } {
  const flags = header[1] ?? 0;
  let at = 2;
  const next = (): number => {
    let value = 0;
    for (let shift = 0; shift < 63; shift += 7) {
      const byte = header[at++] ?? 0;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new LzmaError('a number is too large');
  };
  const packed = (flags & 0x40) === 0 ? {} : { packed: next() };
  const unpacked = (flags & 0x80) === 0 ? {} : { unpacked: next() };
  if ((flags & 3) !== 0 || next() !== lzma2Filter) {
    throw new LzmaError(
      'they went through a filter besides LZMA2 (xz --x86, --delta …), which is not supported',
    );
  }
  if (next() !== 1 || (flags & 0x3c) !== 0) throw new LzmaError('a block header is malformed');
  return { dictionary: dictionaryBytes(header[at] ?? 0), ...packed, ...unpacked };
}

/** @returns how many bytes the index takes, with its checksum */
async function readIndex(reader: ByteReader, expected: { blocks: number; sizes: Buffer }): Promise<number> {
  let [crc, bytes] = [crc32(Buffer.from([0])), 1];
  const byte = async (): Promise<number> => {
    const taken = await reader.take(1);
    crc = crc32(taken, crc);
    bytes++;
    return taken.readUInt8();
  };
  const number = async (): Promise<number> => {
    let value = 0;
    for (let shift = 0; shift < 63; shift += 7) {
      const next = await byte();
      value += (next & 0x7f) * 2 ** shift;
      if (next < 0x80) return value;
    }
    throw new LzmaError('a number is too large');
  };
  const sizes = createHash('sha256');
  if ((await number()) !== expected.blocks) throw new LzmaError('the index does not match the blocks');
  for (let i = 0; i < expected.blocks; i++) sizes.update(`${await number()} ${await number()}\n`);
  if (!sizes.digest().equals(expected.sizes)) throw new LzmaError('the index does not match the blocks');
  while (bytes % 4 !== 0) if ((await byte()) !== 0) throw new LzmaError('the index is malformed');
  if (!(await reader.take(4)).equals(crc32Bytes(crc)))
    throw new LzmaError('the checksum of the index does not match');
  return bytes + 4;
}

async function expectCrc(reader: ByteReader, bytes: Buffer): Promise<void> {
  if (!(await reader.take(4)).equals(crc32Bytes(crc32(bytes))))
    throw new LzmaError('the checksum of a header does not match');
}
