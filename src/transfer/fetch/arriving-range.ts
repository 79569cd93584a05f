import { chunkBytes, lendChunk, shortened } from '../../streams/chunk-pool.ts';

/** A read of a range that is under way. */
export interface RangeReader {
  /** Whose it is. */
  readonly owner: object;
  /** `performance.now()` when it began. */
  readonly begun: number;
  /** Where its next byte belongs, in the blob. */
  at: number;
  bytes: number;
}

/**
 * Some of a blob's bytes as they arrive. Two may read it at once, from where it stood when each began: what comes first
 * counts. The bytes are gathered in lent chunks, so that what waits for its turn does not fill the heap with pieces.
 */
export class ArrivingRange {
  readonly start: number;
  readonly end: number;
  readonly readers = new Set<RangeReader>();
  readonly #whole = new AbortController();
  readonly #full: Uint8Array[] = [];
  #filling: Buffer | undefined;
  #filled = 0;
  /** Where the next byte that is lacking belongs. */
  #at: number;

  constructor(start: number, end: number) {
    this.start = start;
    this.end = end;
    this.#at = start;
  }

  get at(): number {
    return this.#at;
  }

  get left(): number {
    return this.end - this.#at;
  }

  /** Aborts when every byte is here, and its reader has gone. */
  get whole(): AbortSignal {
    return this.#whole.signal;
  }

  get isEmpty(): boolean {
    return this.#full.length === 0 && this.#filled === 0;
  }

  /** Answers whether any of these bytes were new. */
  append(reader: RangeReader, chunk: Uint8Array): boolean {
    const known = this.#at - reader.at;
    reader.at += chunk.byteLength;
    reader.bytes += chunk.byteLength;
    if (known >= chunk.byteLength) return false;
    this.#gather(chunk.subarray(known));
    if (this.left === 0) this.#cut();
    return true;
  }

  /** Whoever brought the last byte is done: the other reader may stop. */
  finish(): void {
    this.#whole.abort();
  }

  /** The next bytes in order: as many as fit a chunk, or with `soon` what is here. */
  shift(soon: boolean): Uint8Array | undefined {
    if (this.#full.length === 0 && soon) this.#cut();
    return this.#full.shift();
  }

  #gather(bytes: Uint8Array): void {
    for (let taken = 0; taken < bytes.byteLength; ) {
      this.#filling ??= this.left >= chunkBytes ? lendChunk() : Buffer.allocUnsafeSlow(this.left);
      const piece = bytes.subarray(taken, taken + this.#filling.byteLength - this.#filled);
      this.#filling.set(piece, this.#filled);
      this.#filled += piece.byteLength;
      this.#at += piece.byteLength;
      taken += piece.byteLength;
      if (this.#filled === this.#filling.byteLength) this.#cut();
    }
  }

  /** What was gathered goes as it is: whoever gets a chunk may give it back, so that the rest needs another. */
  #cut(): void {
    if (this.#filling !== undefined && this.#filled > 0)
      this.#full.push(shortened(this.#filling, this.#filled));
    this.#filling = undefined;
    this.#filled = 0;
  }
}
