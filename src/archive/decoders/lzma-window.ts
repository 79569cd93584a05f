/** Thrown for bytes that no xz writes; its message ends the sentence "its xz data are damaged: …". */
export class LzmaError extends Error {}

/** A chunk of LZMA2 decodes to no more than this, in bytes. */
const maxChunkBytes = 2 * 1024 * 1024;

/**
 * What was decoded last, as far back as matches may reach: a ring with room for one more chunk, so that a chunk
 * is whole in it when it is taken out. Pages that were never written take no memory.
 */
export class LzmaWindow {
  readonly #ring: Buffer;
  readonly #reach: number;
  #at = 0;
  #filled = 0;
  /** Bytes decoded since the last reset. */
  total = 0;

  constructor(dictionaryBytes: number) {
    this.#reach = dictionaryBytes;
    this.#ring = Buffer.allocUnsafeSlow(dictionaryBytes + maxChunkBytes);
  }

  reset(): void {
    this.total = 0;
    this.#filled = 0;
  }

  /** The last byte; 0 before the first. */
  get previous(): number {
    return this.#filled === 0 ? 0 : this.at(0);
  }

  /** The byte `distance` + 1 back. @throws LzmaError */
  at(distance: number): number {
    this.#check(distance);
    const index = this.#at - distance - 1;
    return this.#ring[index < 0 ? index + this.#ring.length : index] ?? 0;
  }

  put(byte: number): void {
    this.#ring[this.#at] = byte;
    this.#advance(1);
  }

  append(bytes: Uint8Array): void {
    const first = Math.min(bytes.length, this.#ring.length - this.#at);
    this.#ring.set(bytes.subarray(0, first), this.#at);
    this.#ring.set(bytes.subarray(first), 0);
    this.#advance(bytes.length);
  }

  /** Repeats what stands `distance` + 1 back. @throws LzmaError */
  copy(distance: number, length: number): void {
    this.#check(distance);
    const ring = this.#ring;
    let to = this.#at;
    let from = to - distance - 1;
    if (from < 0) from += ring.length;
    for (let i = 0; i < length; i++) {
      ring[to] = ring[from] as number;
      if (++to === ring.length) to = 0;
      if (++from === ring.length) from = 0;
    }
    this.#advance(length);
  }

  /** Copies of the last `length` bytes, in one or two pieces. */
  *last(length: number): Generator<Uint8Array> {
    const start = this.#at - length;
    if (start < 0) yield Buffer.from(this.#ring.subarray(start + this.#ring.length));
    yield Buffer.from(this.#ring.subarray(Math.max(0, start), this.#at));
  }

  #advance(bytes: number): void {
    this.#at += bytes;
    if (this.#at >= this.#ring.length) this.#at -= this.#ring.length;
    this.#filled = Math.min(this.#filled + bytes, this.#reach);
    this.total += bytes;
  }

  #check(distance: number): void {
    if (distance >= this.#filled) throw new LzmaError('a match reaches back too far');
  }
}
