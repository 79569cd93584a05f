import { chunkBytes, giveBackChunk, lendChunk, shareChunk } from './chunk-pool.ts';

/**
 * Small pieces as they come, in order, copied into lent chunks: a piece dies at once, and whoever takes gets all that
 * came since in one. A chunk that is not full goes on being filled behind what was taken of it.
 */
export class Gathering {
  readonly #most: number;
  readonly #full: Uint8Array[] = [];
  #filling: Buffer | undefined;
  #taken = 0;
  #filled = 0;
  #length = 0;

  /** `expected`: how many bytes will come at most, where that is known. */
  constructor(expected = Number.POSITIVE_INFINITY) {
    this.#most = Math.min(expected, chunkBytes);
  }

  /** Bytes that came and were not taken. */
  get length(): number {
    return this.#length;
  }

  add(piece: Uint8Array): void {
    this.#length += piece.byteLength;
    for (let at = 0; at < piece.byteLength; ) {
      this.#filling ??= this.#most === chunkBytes ? lendChunk() : Buffer.allocUnsafeSlow(this.#most);
      const part = piece.subarray(at, at + this.#filling.byteLength - this.#filled);
      this.#filling.set(part, this.#filled);
      this.#filled += part.byteLength;
      at += part.byteLength;
      if (this.#filled === this.#filling.byteLength) this.#finish(this.#filling);
    }
  }

  /** What came first, as much as lies together; it belongs to whoever takes it. */
  take(): Uint8Array | undefined {
    const chunk = this.#full.shift() ?? this.#sofar();
    if (chunk !== undefined) this.#length -= chunk.byteLength;
    return chunk;
  }

  /** No more comes, and nothing is taken any more. */
  close(): void {
    for (const chunk of this.#full.splice(0)) giveBackChunk(chunk);
    if (this.#filling !== undefined) giveBackChunk(this.#filling);
    this.#filling = undefined;
    this.#length = 0;
  }

  #sofar(): Uint8Array | undefined {
    if (this.#filling === undefined || this.#filled === this.#taken) return undefined;
    const chunk = shareChunk(this.#filling, this.#taken, this.#filled);
    this.#taken = this.#filled;
    return chunk;
  }

  #finish(chunk: Buffer): void {
    const isWhole = this.#taken === 0;
    const rest = isWhole ? chunk : this.#sofar();
    if (rest !== undefined) this.#full.push(rest);
    if (!isWhole) giveBackChunk(chunk);
    this.#filling = undefined;
    this.#filled = 0;
    this.#taken = 0;
  }
}
