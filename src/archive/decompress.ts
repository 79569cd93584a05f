import { peek } from '../streams/peek.ts';
import { unreadable } from './archive-errors.ts';
import { type Compression, detectCompression, magicBytes } from './compression.ts';
import { unbzip2 } from './decoders/bzip2.ts';
import { gunzip } from './decoders/gzip.ts';
import { unlz4 } from './decoders/lz4.ts';
import { unxz } from './decoders/xz.ts';
import { unzstd } from './decoders/zstd.ts';

/** A decoder turns compressed bytes into plain ones, holding no more than its format demands. */
type Decoder = (input: AsyncIterable<Uint8Array>, label: string) => AsyncIterable<Uint8Array>;

/** A tar.gz that was gzipped again is a mistake that happens; more than this is an attack. */
const maxNesting = 4;

const decoders: Readonly<Record<Exclude<Compression, 'none'>, Decoder>> = {
  gzip: gunzip,
  zstd: unzstd,
  bzip2: unbzip2,
  xz: unxz,
  lz4: unlz4,
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
    ({ start, stream } = await peek(decoders[found](stream, label), magicBytes));
  }
  return { stream, compressions };
}
