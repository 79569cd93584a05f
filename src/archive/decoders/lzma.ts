import { LzmaError, type LzmaWindow } from './lzma-window.ts';
import { RangeDecoder } from './range-decoder.ts';

/** Where each group of probabilities begins (LZMA specification, "LZMA Decoder"). */
const posStates = 16;
const states = 12;
const isMatch = 0;
const isRep = isMatch + states * posStates;
const isRepG0 = isRep + states;
const isRepG1 = isRepG0 + states;
const isRepG2 = isRepG1 + states;
const isRep0Long = isRepG2 + states;
const posSlot = isRep0Long + states * posStates;
const posSpecial = posSlot + 4 * 64;
const posAlign = posSpecial + 128;
const matchLength = posAlign + 16;
const lengthSize = 2 + posStates * 8 * 2 + 256;
const repLength = matchLength + lengthSize;
const literal = repLength + lengthSize;
/** LZMA2 allows no more than four bits of context for literals. */
const probabilities = literal + (0x300 << 4);

/** The LZMA decoder: literals, matches and repeated matches, by adaptive binary probabilities. */
export class Lzma {
  readonly #window: LzmaWindow;
  readonly #rc = new RangeDecoder(probabilities);
  #lc = 0;
  #lpMask = 0;
  #pbMask = 0;
  #state = 0;
  #rep0 = 0;
  #rep1 = 0;
  #rep2 = 0;
  #rep3 = 0;

  constructor(window: LzmaWindow) {
    this.#window = window;
  }

  /** The properties byte, (pb * 5 + lp) * 9 + lc. @throws LzmaError */
  setProperties(byte: number): void {
    const [lc, lp, pb] = [byte % 9, Math.floor(byte / 9) % 5, Math.floor(byte / 45)];
    if (pb > 4 || lc + lp > 4) throw new LzmaError('their properties are unknown');
    this.#lc = lc;
    this.#lpMask = (1 << lp) - 1;
    this.#pbMask = (1 << pb) - 1;
  }

  resetState(): void {
    this.#rc.resetProbabilities();
    this.#state = this.#rep0 = this.#rep1 = this.#rep2 = this.#rep3 = 0;
  }

  /** Decodes a chunk of LZMA2 into exactly `size` bytes of the window. @throws LzmaError */
  decode(chunk: Uint8Array, size: number): void {
    const [rc, window] = [this.#rc, this.#window];
    rc.start(chunk);
    const end = window.total + size;
    while (window.total < end) {
      const posState = window.total & this.#pbMask;
      if (rc.bit(isMatch + this.#state * posStates + posState) === 0) this.#literal();
      else {
        const length = rc.bit(isRep + this.#state) === 0 ? this.#match(posState) : this.#rep(posState);
        if (window.total + length > end) throw new LzmaError('a match is too long');
        window.copy(this.#rep0, length);
      }
    }
    if (!rc.finished) throw new LzmaError('a chunk does not end where it should');
  }

  #literal(): void {
    const [rc, window] = [this.#rc, this.#window];
    const context = ((window.total & this.#lpMask) << this.#lc) + (window.previous >> (8 - this.#lc));
    const base = literal + 0x300 * context;
    let symbol = 1;
    if (this.#state >= 7) {
      let matched = window.at(this.#rep0);
      while (symbol < 0x100) {
        const matchedBit = (matched >> 7) & 1;
        matched <<= 1;
        const bit = rc.bit(base + ((1 + matchedBit) << 8) + symbol);
        symbol = (symbol << 1) | bit;
        if (bit !== matchedBit) break;
      }
    }
    while (symbol < 0x100) symbol = (symbol << 1) | rc.bit(base + symbol);
    window.put(symbol & 0xff);
    const state = this.#state;
    this.#state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
  }

  #match(posState: number): number {
    this.#rep3 = this.#rep2;
    this.#rep2 = this.#rep1;
    this.#rep1 = this.#rep0;
    const length = this.#length(matchLength, posState);
    this.#rep0 = this.#distance(Math.min(length - 2, 3));
    this.#state = this.#state < 7 ? 7 : 10;
    return length;
  }

  #rep(posState: number): number {
    const rc = this.#rc;
    const state = this.#state;
    if (rc.bit(isRepG0 + state) === 0) {
      if (rc.bit(isRep0Long + state * posStates + posState) === 0) {
        this.#state = state < 7 ? 9 : 11;
        return 1;
      }
    } else {
      let distance = this.#rep1;
      if (rc.bit(isRepG1 + state) === 1) {
        distance = this.#rep2;
        if (rc.bit(isRepG2 + state) === 1) {
          distance = this.#rep3;
          this.#rep3 = this.#rep2;
        }
        this.#rep2 = this.#rep1;
      }
      this.#rep1 = this.#rep0;
      this.#rep0 = distance;
    }
    this.#state = state < 7 ? 8 : 11;
    return this.#length(repLength, posState);
  }

  #length(base: number, posState: number): number {
    const rc = this.#rc;
    if (rc.bit(base) === 0) return 2 + rc.tree(base + 2 + posState * 8, 3);
    if (rc.bit(base + 1) === 0) return 10 + rc.tree(base + 2 + (posStates + posState) * 8, 3);
    return 18 + rc.tree(base + 2 + posStates * 16, 8);
  }

  #distance(lengthState: number): number {
    const rc = this.#rc;
    const slot = rc.tree(posSlot + lengthState * 64, 6);
    if (slot < 4) return slot;
    const bits = (slot >> 1) - 1;
    const high = (2 | (slot & 1)) << bits;
    if (slot < 14) return high + rc.reverseTree(posSpecial + high - slot, bits);
    return (high >>> 0) + rc.direct(bits - 4) * 16 + rc.reverseTree(posAlign, 4);
  }
}
