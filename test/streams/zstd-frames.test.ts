import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { framesOf } from '../../src/streams/frames-of.ts';
import { decompressFrames } from '../../src/streams/zstd-codec.ts';
import { contentBytesOf, frameBytes, splitFrames, storedFrame } from '../../src/streams/zstd-frames.ts';
import { bytesOf, chunksOf, seededBytes } from '../support/blobs.ts';

const text = (size: number) => Buffer.alloc(size, 'some text that repeats itself, ');

async function* each(...chunks: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

const encode = (bytes: Uint8Array, make?: Parameters<typeof framesOf>[1]) =>
  bytesOf(framesOf(chunksOf(bytes, 100_000), make));
const decode = (wire: AsyncIterable<Uint8Array>, length: number) =>
  bytesOf(decompressFrames(splitFrames(wire, length)));

/** A frame of the given head and blocks, whatever they say. */
function frame(contentBytes: number, ...blocks: { kind: number; size: number; data: Buffer }[]): Buffer {
  const head = storedFrame(Buffer.alloc(1)).subarray(0, 9);
  head.writeUInt32LE(contentBytes, 5);
  const parts = blocks.flatMap(({ kind, size, data }, i) => {
    const blockHead = Buffer.alloc(3);
    blockHead.writeUIntLE((size << 3) | (kind << 1) | (i === blocks.length - 1 ? 1 : 0), 0, 3);
    return [blockHead, data];
  });
  return Buffer.concat([head, ...parts]);
}

describe('frames on the wire', () => {
  it('give back what went in, however it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 700_000 }),
        fc.integer({ min: 1, max: 300_000 }),
        fc.integer({ min: 7, max: 300_000 }),
        fc.constantFrom('text', 'random', 'stored'),
        async (size, inChunks, wireChunks, kind) => {
          const bytes = kind === 'text' ? text(size) : seededBytes(`${size}`, size);
          const make = kind === 'stored' ? async (content: Uint8Array) => storedFrame(content) : undefined;
          const wire = await bytesOf(framesOf(chunksOf(bytes, inChunks), make));
          expect((await decode(chunksOf(wire, wireChunks), size)).equals(bytes)).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('are cut one a chunk, also when they come byte by byte, and say what they hold', async () => {
    const bytes = text(2 * frameBytes + 300);
    const wire = await encode(bytes);
    const frames = await Array.fromAsync(splitFrames(chunksOf(wire, 1), bytes.byteLength));
    expect(frames.map(contentBytesOf).reduce((sum, size) => sum + size)).toBe(bytes.byteLength);
    expect(Buffer.concat(frames).equals(wire)).toBe(true);
    // Any decoder takes them
    expect(Buffer.concat(frames.map((one) => zstdDecompressSync(one))).equals(bytes)).toBe(true);
  });

  it('come out as soon as they are whole, though nothing follows', async () => {
    const wire = await encode(text(frameBytes));
    const silent = async function* () {
      yield wire;
      await new Promise(() => {});
    };
    const contents = decompressFrames(splitFrames(silent(), 10 * frameBytes));
    expect((await contents.next()).value?.byteLength).toBe(frameBytes);
  });

  const whole = text(frameBytes + 1000);
  it.each<[what: string, wire: () => Promise<Uint8Array> | Uint8Array, length: number]>([
    ['ends within a frame', async () => (await encode(whole)).subarray(0, -1), whole.byteLength],
    ['ends between frames', () => storedFrame(text(1000)), 2000],
    ['holds more than was announced', async () => encode(whole), whole.byteLength - 1],
    [
      'is followed by more',
      async () => Buffer.concat([await encode(whole), Buffer.alloc(1)]),
      whole.byteLength,
    ],
    ['is plain', () => whole, whole.byteLength],
    ['is empty', () => Buffer.alloc(0), 1],
    ['has a frame that is too large', () => zstdCompressSync(text(frameBytes + 1)), frameBytes + 1],
    [
      'has a frame that does not say its size',
      () =>
        zstdCompressSync(text(9), {
          pledgedSrcSize: undefined,
          params: { [constants.ZSTD_c_contentSizeFlag]: 0 },
        }),
      9,
    ],
    [
      'has a checksum',
      () => zstdCompressSync(text(9), { params: { [constants.ZSTD_c_checksumFlag]: 1 } }),
      9,
    ],
    ['has a frame without content', () => frame(0, { kind: 0, size: 0, data: Buffer.alloc(0) }), 1],
    [
      'has a frame that holds more than it says',
      () => frame(10, { kind: 1, size: 100_000, data: Buffer.from('x') }),
      10,
    ],
    [
      'has a frame that holds less than it says',
      () => frame(10, { kind: 1, size: 9, data: Buffer.from('x') }),
      10,
    ],
    [
      'is a bomb of runs',
      () => frame(frameBytes, ...Array(60).fill({ kind: 1, size: 131_072, data: Buffer.from('x') })),
      frameBytes,
    ],
    [
      'has blocks without end',
      () => frame(frameBytes, ...Array(50_000).fill({ kind: 0, size: 0, data: Buffer.alloc(0) })),
      frameBytes,
    ],
    ['has a block of no kind', () => frame(10, { kind: 3, size: 1, data: Buffer.from('x') }), 10],
    [
      'has a frame longer than its content',
      () => frame(10, { kind: 0, size: 5000, data: Buffer.alloc(5000) }),
      10,
    ],
    [
      'is damaged within a block',
      async () => {
        const wire = await encode(whole);
        wire.fill(0xff, 12, 40);
        return wire;
      },
      whole.byteLength,
    ],
  ])('that %s are refused, and never more comes out than was announced', async (_, make, length) => {
    const wire = await make();
    let out = 0;
    const reading = async () => {
      for await (const chunk of decompressFrames(splitFrames(each(wire), length))) out += chunk.byteLength;
    };
    await expect(reading()).rejects.toMatchObject({ code: 'encoding_invalid' });
    expect(out).toBeLessThanOrEqual(length);
  });
});
