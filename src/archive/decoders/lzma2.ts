import type { ByteReader } from './byte-reader.ts';
import { Lzma } from './lzma.ts';
import { LzmaError, LzmaWindow } from './lzma-window.ts';

/** Larger dictionaries than `xz -9e` has (64 MiB) are written on demand only. */
const maxDictionaryBytes = 1024 * 1024 * 1024;

/** The dictionary's size as the filter's one byte gives it (xz file format, 5.3.1). @throws LzmaError */
export function dictionaryBytes(property: number): number {
  const size = (2 | (property & 1)) * 2 ** (Math.floor(property / 2) + 11);
  if (property > 40 || size > maxDictionaryBytes) throw new LzmaError('they need more than 1 GiB of memory');
  return size;
}

/** Decodes the chunks of LZMA2 up to their end marker, in pieces of up to 2 MiB. @throws LzmaError */
export async function* readLzma2(reader: ByteReader, dictionary: number): AsyncGenerator<Uint8Array> {
  const window = new LzmaWindow(dictionary);
  const lzma = new Lzma(window);
  let needs: 'dictionary' | 'properties' | 'state' | 'nothing' = 'dictionary';
  for (let control = await reader.byte(); control !== 0; control = await reader.byte()) {
    if (control === 1 || control >= 0xe0) {
      window.reset();
      needs = 'properties';
    } else if (needs === 'dictionary') throw new LzmaError('they do not begin with a dictionary');
    if (control < 0x80) {
      if (control > 2) throw new LzmaError('a chunk is of an unknown kind');
      const size = (await reader.take(2)).readUInt16BE() + 1;
      window.append(await reader.take(size));
      yield* window.last(size);
      continue;
    }
    const header = await reader.take(4);
    const size = ((control & 0x1f) << 16) + header.readUInt16BE() + 1;
    const packed = header.readUInt16BE(2) + 1;
    if (control >= 0xc0) {
      lzma.setProperties(await reader.byte());
      needs = 'state';
    } else if (needs === 'properties') throw new LzmaError('a chunk lacks its properties');
    if (control >= 0xa0) {
      lzma.resetState();
      needs = 'nothing';
    } else if (needs !== 'nothing') throw new LzmaError('a chunk lacks its state');
    lzma.decode(await reader.take(packed), size);
    yield* window.last(size);
  }
}
