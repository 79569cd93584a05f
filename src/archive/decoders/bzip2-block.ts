import type { BitReader } from './bit-reader.ts';
import { HuffmanTable } from './bzip2-huffman.ts';

const groupSymbols = 50;

/** How decoded bytes leave, so that a block that unfolds to 46 MB does not need them. */
const pieceBytes = 256 * 1024;

/** Thrown for bits that no bzip2 writes; its message ends the sentence "its bzip2 data are damaged: …". */
export class Bzip2Error extends Error {}

/**
 * Decodes the blocks of a bzip2 stream, one at a time: Huffman codes, move-to-front, Burrows-Wheeler, run lengths.
 * The format has no specification but the program (bzip2 1.0.8, decompress.c).
 */
export class Bzip2Block {
  /** The Burrows-Wheeler vector: the low 8 bits a byte, the others where the next one is. */
  readonly #vector: Uint32Array;
  #length = 0;
  #origin = 0;

  /** @param level 1 to 9, hundreds of thousands of bytes per block */
  constructor(level: number) {
    this.#vector = new Uint32Array(level * 100_000);
  }

  /** Reads a block behind its magic and checksum. @throws Bzip2Error */
  read(bits: BitReader): void {
    if (bits.take(1) === 1) throw new Bzip2Error('they are randomised, as only versions before 0.9.5 wrote');
    this.#origin = bits.take(24);
    const bytes = readUsedBytes(bits);
    const tableCount = bits.take(3);
    if (bytes.length === 0 || tableCount < 2 || tableCount > 6)
      throw new Bzip2Error('a block header is malformed');
    const selectors = readSelectors(bits, tableCount);
    const tables = Array.from({ length: tableCount }, () => readTable(bits, bytes.length + 2));
    this.#decode(
      bits,
      bytes,
      selectors.map((index) => tables[index] as HuffmanTable),
    );
    this.#invert();
  }

  /** The block's bytes. @returns their checksum */
  *bytes(): Generator<Uint8Array, number> {
    const vector = this.#vector;
    let out = Buffer.allocUnsafeSlow(pieceBytes);
    let [filled, crc, previous, run] = [0, 0xffffffff, -1, 0];
    let next = (vector[this.#origin] ?? 0) >>> 8;
    for (let left = this.#length; left > 0; left--) {
      const entry = vector[next] ?? 0;
      const byte = entry & 0xff;
      next = entry >>> 8;
      // After four equal bytes stands how many more of them follow
      const isCount = run === 4;
      const value = isCount ? previous : byte;
      for (let copies = isCount ? byte : 1; copies > 0; copies--) {
        crc = (crc << 8) ^ (crcTable[(crc >>> 24) ^ value] ?? 0);
        out[filled++] = value;
        if (filled < pieceBytes) continue;
        yield out;
        out = Buffer.allocUnsafeSlow(pieceBytes);
        filled = 0;
      }
      run = isCount ? 0 : byte === previous ? run + 1 : 1;
      previous = isCount ? -1 : byte;
    }
    if (filled > 0) yield out.subarray(0, filled);
    return ~crc >>> 0;
  }

  #decode(bits: BitReader, bytes: Uint8Array, tables: readonly HuffmanTable[]): void {
    const vector = this.#vector;
    const front = Uint8Array.from(bytes);
    const endOfBlock = bytes.length + 1;
    let [length, group, left, run, weight] = [0, 0, 0, 0, 1];
    let table = tables[0] as HuffmanTable;
    for (;;) {
      if (left === 0) {
        const chosen = tables[group++];
        if (chosen === undefined || bits.overrun) throw new Bzip2Error('a block has too few tables');
        table = chosen;
        left = groupSymbols;
      }
      left--;
      const symbol = table.decode(bits);
      if (symbol < 0) throw new Bzip2Error('a code is unknown');
      if (symbol <= 1) {
        // Runs of the front byte, their length in bijective base 2
        run += weight << symbol;
        weight <<= 1;
        if (run > vector.length) throw new Bzip2Error('a block is too long');
        continue;
      }
      if (run > 0) {
        if (length + run > vector.length) throw new Bzip2Error('a block is too long');
        vector.fill(front[0] ?? 0, length, length + run);
        length += run;
        [run, weight] = [0, 1];
      }
      if (symbol === endOfBlock) break;
      if (length === vector.length) throw new Bzip2Error('a block is too long');
      const index = symbol - 1;
      const byte = front[index] ?? 0;
      // Most move from near: a call costs more than a few steps
      if (index < 24) for (let i = index; i > 0; i--) front[i] = front[i - 1] as number;
      else front.copyWithin(1, 0, index);
      front[0] = byte;
      vector[length++] = byte;
    }
    if (this.#origin >= length) throw new Bzip2Error('a block has no beginning');
    this.#length = length;
  }

  /** Links each byte of the sorted column to the one that follows it in the text. */
  #invert(): void {
    const vector = this.#vector;
    const starts = new Uint32Array(256);
    for (let i = 0; i < this.#length; i++) {
      const byte = (vector[i] ?? 0) & 0xff;
      starts[byte] = (starts[byte] ?? 0) + 1;
    }
    let sum = 0;
    for (let byte = 0; byte < 256; byte++) {
      const count = starts[byte] ?? 0;
      starts[byte] = sum;
      sum += count;
    }
    for (let i = 0; i < this.#length; i++) {
      const byte = (vector[i] ?? 0) & 0xff;
      const at = starts[byte] ?? 0;
      starts[byte] = at + 1;
      vector[at] = ((vector[at] ?? 0) | (i << 8)) >>> 0;
    }
  }
}

/** The byte values that occur, from a bitmap in two steps. */
function readUsedBytes(bits: BitReader): Uint8Array {
  const rows = bits.take(16);
  const used: number[] = [];
  for (let row = 0; row < 16; row++) {
    if ((rows & (0x8000 >> row)) === 0) continue;
    const columns = bits.take(16);
    for (let column = 0; column < 16; column++)
      if ((columns & (0x8000 >> column)) !== 0) used.push(row * 16 + column);
  }
  return Uint8Array.from(used);
}

/** Which table each group of 50 symbols uses. */
function readSelectors(bits: BitReader, tableCount: number): number[] {
  const count = bits.take(15);
  const front = Array.from({ length: tableCount }, (_, index) => index);
  const selectors: number[] = [];
  for (let i = 0; i < count; i++) {
    let index = 0;
    while (bits.take(1) === 1) {
      index++;
      if (index >= tableCount) throw new Bzip2Error('a table is unknown');
    }
    const [selector = 0] = front.splice(index, 1);
    front.unshift(selector);
    selectors.push(selector);
  }
  return selectors;
}

function readTable(bits: BitReader, symbols: number): HuffmanTable {
  const lengths = new Uint8Array(symbols);
  let length = bits.take(5);
  for (let symbol = 0; symbol < symbols; symbol++) {
    for (;;) {
      if (length < 1 || length > 20) throw new Bzip2Error('a code is too long');
      if (bits.take(1) === 0) break;
      length += bits.take(1) === 0 ? 1 : -1;
    }
    lengths[symbol] = length;
  }
  return new HuffmanTable(lengths);
}

/** CRC-32 as bzip2 has it: the common polynomial, highest bit first. */
const crcTable = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ (crc < 0 ? 0x04c11db7 : 0);
  return crc;
});
