import type { BitReader } from './bit-reader.ts';

const maxBits = 20;
/** Codes of up to so many bits are looked up at once. */
const fastBits = 10;

/** One of a block's Huffman tables. */
export class HuffmanTable {
  /** By the next `fastBits` bits: symbol << 5 | length, 0 for longer codes. */
  readonly #fast = new Uint16Array(1 << fastBits);
  /** The highest code of each length, and what to add to a code of it to find its symbol; -1 where there is none. */
  readonly #limit = new Int32Array(maxBits + 1).fill(-1);
  readonly #offset = new Int32Array(maxBits + 1);
  readonly #symbols: Uint16Array;

  constructor(lengths: Uint8Array) {
    this.#symbols = new Uint16Array(lengths.length);
    let [code, used] = [0, 0];
    for (let length = 1; length <= maxBits; length++) {
      this.#offset[length] = used - code;
      for (let symbol = 0; symbol < lengths.length; symbol++) {
        if (lengths[symbol] !== length) continue;
        this.#symbols[used++] = symbol;
        if (length <= fastBits) {
          const first = code << (fastBits - length);
          this.#fast.fill((symbol << 5) | length, first, first + (1 << (fastBits - length)));
        }
        this.#limit[length] = code++;
      }
      code <<= 1;
    }
  }

  /** The next symbol; -1 where the bits are no code. */
  decode(bits: BitReader): number {
    const entry = this.#fast[bits.peek(fastBits)] ?? 0;
    if (entry !== 0) {
      bits.drop(entry & 31);
      return entry >> 5;
    }
    for (let length = fastBits + 1; length <= maxBits; length++) {
      const code = bits.peek(length);
      if (code > (this.#limit[length] ?? -1)) continue;
      bits.drop(length);
      return this.#symbols[code + (this.#offset[length] ?? 0)] ?? -1;
    }
    return -1;
  }
}
