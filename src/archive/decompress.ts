import { peek } from '../streams/peek.ts';
import { unreadable } from './archive-errors.ts';
import { type Compression, detectCompression, magicBytes } from './compression.ts';

/** A decoder turns compressed bytes into plain ones, holding no more than its format demands. */
type Decoder = (input: AsyncIterable<Uint8Array>, label: string) => AsyncIterable<Uint8Array>;

/** A tar.gz that was gzipped again is a mistake that happens; more than this is an attack. */
const maxNesting = 4;

/** Loaded when an archive needs it: most need one, or none. */
const decoders: Readonly<Record<Exclude<Compression, 'none'>, () => Promise<Decoder>>> = {
  gzip: async () => (await import('./decoders/gzip.ts')).gunzip,
  zstd: async () => (await import('./decoders/zstd.ts')).unzstd,
  bzip2: async () => (await import('./decoders/bzip2.ts')).unbzip2,
  xz: async () => (await import('./decoders/xz.ts')).unxz,
  lz4: async () => (await import('./decoders/lz4.ts')).unlz4,
};

/**
 * The plain bytes of a stream, however it was compressed, also more than once. `compressions`: outermost first.
 * The stream throws `archive_truncated` where the compressed data end early, `archive_unreadable` where they are damaged.
 */
export async function decompress(
  input: AsyncIterable<Uint8Array>,
  label: string,
): Promise<{ stream: AsyncIterable<Uint8Array>; compressions: Compression[] }> {
  const compressions: Compression[] = [];
  let { start, stream } = await peek(input, magicBytes);
  for (let found = detectCompression(start); found !== 'none'; found = detectCompression(start)) {
    if (compressions.length === maxNesting) {
      throw unreadable(label, `it is compressed more than ${maxNesting} times over`);
    }
    compressions.push(found);
    const decode = await decoders[found]();
    ({ start, stream } = await peek(decode(stream, label), magicBytes));
  }
  return { stream, compressions };
}
