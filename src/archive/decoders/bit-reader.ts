/** Bits of a buffer, highest first, as bzip2 packs them. Past the end it reads zeros: look at `overrun` afterwards. */
export class BitReader {
  readonly #bytes: Uint8Array;
  #at = 0;
  #held = 0;
  #heldBits = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Whether more bits were used than there are. */
  get overrun(): boolean {
    return this.bytesUsed > this.#bytes.length;
  }

  /** Bytes used so far, the last one perhaps in part. */
  get bytesUsed(): number {
    return this.#at - (this.#heldBits >> 3);
  }

  /** Bits of the last byte used that are not used yet. */
  get bitsLeft(): number {
    return this.#heldBits & 7;
  }

  /** The next `count` bits without using them, at most 24. */
  peek(count: number): number {
    while (this.#heldBits < count) {
      this.#held = (this.#held << 8) | (this.#bytes[this.#at++] ?? 0);
      this.#heldBits += 8;
    }
    return (this.#held >>> (this.#heldBits - count)) & ((1 << count) - 1);
  }

  /** The next `count` bits, at most 24. */
  take(count: number): number {
    const bits = this.peek(count);
    this.#heldBits -= count;
    return bits;
  }

  /** Drops what was peeked at. */
  drop(count: number): void {
    this.#heldBits -= count;
  }

  /** 32 bits, unsigned. */
  take32(): number {
    return this.take(16) * 65536 + this.take(16);
  }

  alignToByte(): void {
    this.#heldBits -= this.#heldBits & 7;
  }
}
