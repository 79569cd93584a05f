import { constants, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decompress } from '../../src/archive/decompress.ts';
import { ImgctlError } from '../../src/errors.ts';
import { inChunks, ociLayout, randomBytes, randomImage, tarOf } from '../support/archives.ts';
import { failure, openFile, openPipe, trueDigest } from './opened.ts';
import { hasTool, run } from './tools.ts';

async function plain(bytes: Uint8Array, chunk = 65536): Promise<Buffer> {
  const { stream } = await decompress(inChunks(bytes, chunk), 'it');
  return Buffer.concat(await Array.fromAsync(stream));
}

const image = await randomImage({ seed: 'compressed', layerSize: 40_000 });
const tar = await tarOf(ociLayout([{ image, name: 'app:1' }]));
/** Random and repetitive parts, long and short distances, more than one block of every format. */
const mixed = Buffer.concat([
  randomBytes(100_000, 'a'),
  Buffer.alloc(700_000, 'imgctl '),
  randomBytes(100_000, 'a'),
  Buffer.alloc(300_000),
  randomBytes(100_000, 'b'),
]);

type Compress = (input: Uint8Array) => Buffer;
const tool =
  (name: string, ...args: string[]): Compress =>
  (input) =>
    run(name, [...args, '-c'], input);

/** How each tool can write; `skippable` stands for a frame that decoders pass over. */
const compressors: [what: string, tool: string, compress: Compress][] = [
  ['gzip', 'node', (input) => gzipSync(input)],
  ['zstd', 'node', (input) => zstdCompressSync(input, { params: { [constants.ZSTD_c_checksumFlag]: 1 } })],
  ['zstd --long=28', 'zstd', tool('zstd', '-q', '--long=28')],
  ['zstd -19 --no-check', 'zstd', tool('zstd', '-q', '-19', '--no-check')],
  ['bzip2', 'bzip2', tool('bzip2')],
  ['bzip2 -1', 'bzip2', tool('bzip2', '-1')],
  ['xz', 'xz', tool('xz')],
  ['xz -0 --check=crc32', 'xz', tool('xz', '-0', '--check=crc32')],
  ['xz --check=sha256', 'xz', tool('xz', '--check=sha256')],
  ['xz --check=none', 'xz', tool('xz', '--check=none')],
  ['xz in many blocks', 'xz', tool('xz', '-T2', '--block-size=100KiB')],
  ['xz with other literal bits', 'xz', tool('xz', '--lzma2=preset=6,lc=1,lp=3,pb=0,dict=64KiB')],
  ['lz4', 'lz4', tool('lz4', '-q')],
  ['lz4 with linked blocks of 4 MB', 'lz4', tool('lz4', '-q', '-BD', '-B7')],
  ['lz4 with block checksums and a size', 'lz4', tool('lz4', '-q', '-BX', '-B4', '--content-size')],
  ['lz4 -9 without checksum', 'lz4', tool('lz4', '-q', '-9', '--no-frame-crc')],
  ['lz4 -l', 'lz4', tool('lz4', '-q', '-l')],
];

describe.each(compressors)('%s', (what, from, compress) => {
  const there = from === 'node' || hasTool(from);

  it.runIf(there)('is read back, byte for byte, whatever the pieces', async () => {
    const compressed = compress(mixed);
    for (const chunk of [997, 65536, 1 << 20])
      expect((await plain(compressed, chunk)).equals(mixed)).toBe(true);
    const short = compress(mixed.subarray(0, 5000));
    expect((await plain(short, 1)).equals(mixed.subarray(0, 5000))).toBe(true);
  });

  it.runIf(there)('is read to the end where several were concatenated', async () => {
    const parts = [
      mixed.subarray(0, 800_000),
      mixed.subarray(800_000, 800_001),
      Buffer.alloc(0),
      mixed.subarray(800_001),
    ];
    const compressed = Buffer.concat(parts.map(compress));
    for (const chunk of [1013, 65536]) expect((await plain(compressed, chunk)).equals(mixed)).toBe(true);
  });

  it.runIf(there)('is said to be cut off at any byte', async () => {
    const compressed = compress(mixed.subarray(50_000, 250_000));
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 10, max: compressed.length - 1 }), async (length) => {
        // The legacy format of lz4 has no end marker: it is whole between two blocks
        const error = await failure(plain(compressed.subarray(0, length)));
        expect(error.code).toMatch(/^archive_(?:truncated|unreadable)$/);
      }),
      { numRuns: 15 },
    );
  });

  // The others carry no checksum
  const checks = !/none|no-|without|-l$/.test(what);
  it.runIf(there)('is not read wrongly where a bit is, unless it has no checksum', async () => {
    const original = mixed.subarray(0, 60_000);
    const compressed = compress(original);
    await fc.assert(
      fc.asyncProperty(fc.nat(compressed.length - 1), fc.nat(7), async (at, bit) => {
        const damaged = Buffer.from(compressed);
        damaged[at] = (damaged[at] ?? 0) ^ (1 << bit);
        const outcome = await plain(damaged).catch((error: unknown) => error);
        // A bit that means nothing (a time, a name) may change nothing; damage to the magic makes it plain bytes
        if (outcome instanceof Buffer)
          expect(!checks || outcome.equals(original) || outcome.equals(damaged)).toBe(true);
        else expect(outcome).toBeInstanceOf(ImgctlError);
      }),
      { numRuns: 60 },
    );
  });

  it.runIf(there)('makes an archive that opens like any other', async () => {
    await using archive = await openFile(compress(tar));
    expect(archive.spooled).toBe(true);
    for (const { descriptor } of image.blobs)
      expect(await trueDigest(archive, descriptor.digest)).toBe(descriptor.digest);
  });
});

describe('the same small text', () => {
  it.each([
    ['bzip2', 'QlpoOTFBWSZTWbndLAsAAAmRgEAELqccACAAMQAABpNG1NMakOMPuNE3NtmgV0BF6XxdyRThQkLndLAs'],
    [
      'xz',
      '/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQAdaW1nY3RsIHJlYWRzIG1lLCBtZSwgbWUgYW5kIG1lAAAA4DBwWRjmVzoAATYePRmVUx+2830BAAAAAARZWg==',
    ],
    ['lz4', 'BCJNGGRApxwAAADzAWltZ2N0bCByZWFkcyBtZSwEAHAgYW5kIG1lAAAAAEBzhaQ='],
    ['lz4 -l', 'AiFMGBwAAADzAWltZ2N0bCByZWFkcyBtZSwEAHAgYW5kIG1l'],
  ])('written by %s elsewhere', async (_what, base64) => {
    expect((await plain(Buffer.from(base64, 'base64'))).toString()).toBe('imgctl reads me, me, me and me');
  });
});

describe('compression', () => {
  it('is found within compression', async () => {
    await using archive = await openPipe(gzipSync(zstdCompressSync(gzipSync(tar))));
    expect(archive.compressions).toEqual(['gzip', 'zstd', 'gzip']);
    expect(archive.bytes).toBe(tar.length);
  });

  it('is not followed for ever', async () => {
    let bytes: Buffer = tar;
    for (let i = 0; i < 6; i++) bytes = gzipSync(bytes);
    expect((await failure(openPipe(bytes))).code).toBe('archive_unreadable');
  });

  it('is named where it is damaged', async () => {
    const bytes = gzipSync(tar);
    bytes.fill(0xff, 20_000, 20_100);
    expect((await failure(openPipe(bytes))).message).toContain('gzip');
  });

  it('is none where only the name says so', async () => {
    expect((await failure(openPipe(deflateSync(tar)))).code).toBe('archive_unreadable');
  });

  it('passes over skippable frames, before, between and behind, as pzstd writes', async () => {
    const skippable = Buffer.from('502a4d180400000061626364', 'hex');
    const [first, second] = [zstdCompressSync(mixed.subarray(0, 9)), zstdCompressSync(mixed.subarray(9))];
    const bytes = Buffer.concat([skippable, first, skippable, second, skippable]);
    for (const chunk of [1000, 1 << 20]) expect((await plain(bytes, chunk)).equals(mixed)).toBe(true);
  });

  it.runIf(hasTool('zstd'))('reads the longest window of zstd, --long=31', async () => {
    expect((await plain(tool('zstd', '-q', '--long=31')(mixed))).equals(mixed)).toBe(true);
  });

  it.runIf(hasTool('xz'))('passes over the padding of xz', async () => {
    const stream = tool('xz')(mixed);
    expect(await plain(Buffer.concat([stream, Buffer.alloc(8), stream, Buffer.alloc(4)]))).toHaveLength(
      2 * mixed.length,
    );
    expect((await failure(plain(Buffer.concat([stream, Buffer.alloc(7)])))).code).toBe('archive_truncated');
  });

  it.runIf(hasTool('xz'))('says which filter of xz it does not know', async () => {
    expect((await failure(plain(tool('xz', '--x86', '--lzma2')(mixed)))).message).toContain('--x86');
  });

  it.runIf(hasTool('bzip2'))('unfolds a block of bzip2 to 46 MB piece by piece', async () => {
    const { stream } = await decompress(inChunks(tool('bzip2')(Buffer.alloc(20_000_000))), 'it');
    let total = 0;
    for await (const piece of stream) {
      expect(piece.length).toBeLessThanOrEqual(1 << 20);
      total += piece.length;
    }
    expect(total).toBe(20_000_000);
  });

  it('stops where the reader does, and tells the writer', async () => {
    let stopped = false;
    const endless = async function* () {
      try {
        for (const bytes = gzipSync(mixed); ; ) yield bytes;
      } finally {
        stopped = true;
      }
    };
    const { stream } = await decompress(endless(), 'it');
    for await (const piece of stream) if (piece.length > 0) break;
    await expect.poll(() => stopped).toBe(true);
  });

  it('asks for input only as its output is taken', async () => {
    let asked = 0;
    const counted = async function* () {
      for (const bytes = gzipSync(randomBytes(100_000, 'c')); asked < 1000; asked++) yield bytes;
    };
    const { stream } = await decompress(counted(), 'it');
    const iterator = stream[Symbol.asyncIterator]();
    await iterator.next();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(asked).toBeLessThan(100);
    await iterator.return?.();
  });
});
