/** The binary range decoder of LZMA, with its adaptive probabilities (LZMA specification, "Range Decoder"). */
export class RangeDecoder {
  readonly #probabilities: Uint16Array;
  #input: Uint8Array = new Uint8Array(0);
  #at = 0;
  #range = 0;
  #code = 0;

  constructor(probabilities: number) {
    this.#probabilities = new Uint16Array(probabilities);
  }

  resetProbabilities(): void {
    this.#probabilities.fill(1024);
  }

  start(input: Uint8Array): void {
    this.#input = input;
    this.#range = 0xffffffff;
    this.#code = 0;
    this.#at = 1;
    for (let i = 0; i < 4; i++) this.#code = ((this.#code << 8) | (input[this.#at++] ?? 0)) >>> 0;
  }

  /** Whether the input was used to its last byte, as a whole chunk is. */
  get finished(): boolean {
    return this.#code === 0 && this.#at === this.#input.length && this.#input[0] === 0;
  }

  bit(index: number): 0 | 1 {
    const probability = this.#probabilities[index] ?? 0;
    const bound = (this.#range >>> 11) * probability;
    if (this.#code < bound) {
      this.#probabilities[index] = probability + ((2048 - probability) >> 5);
      this.#range = bound;
      if (bound < 0x1000000) this.#normalize();
      return 0;
    }
    this.#probabilities[index] = probability - (probability >> 5);
    this.#range -= bound;
    this.#code -= bound;
    if (this.#range < 0x1000000) this.#normalize();
    return 1;
  }

  /** `bits` bits, highest first. */
  tree(base: number, bits: number): number {
    let symbol = 1;
    for (let i = 0; i < bits; i++) symbol = (symbol << 1) | this.bit(base + symbol);
    return symbol - (1 << bits);
  }

  /** `bits` bits, lowest first. */
  reverseTree(base: number, bits: number): number {
    let [node, symbol] = [1, 0];
    for (let i = 0; i < bits; i++) {
      const bit = this.bit(base + node);
      node = (node << 1) | bit;
      symbol |= bit << i;
    }
    return symbol;
  }

  /** Bits that are as likely 0 as 1, at most 26. */
  direct(bits: number): number {
    let value = 0;
    for (let i = 0; i < bits; i++) {
      this.#range >>>= 1;
      const bit = this.#code >= this.#range ? 1 : 0;
      if (bit === 1) this.#code -= this.#range;
      value = (value << 1) | bit;
      if (this.#range < 0x1000000) this.#normalize();
    }
    return value;
  }

  #normalize(): void {
    this.#range = (this.#range << 8) >>> 0;
    this.#code = ((this.#code << 8) | (this.#input[this.#at++] ?? 0)) >>> 0;
  }
}
