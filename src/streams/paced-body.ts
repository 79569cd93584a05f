import { giveBackChunk, shareChunk } from './chunk-pool.ts';
import type { Flow } from './rate-limit.ts';

/**
 * The same bytes, no faster than the flow lets them go. Large chunks come in pieces, so that at a low rate whoever takes
 * them sees that they move. Nothing is read ahead: the source is asked when the last piece is taken. As long as there
 * is no limit, each chunk is the source's own answer, at no cost.
 */
export class PacedBody implements AsyncIterable<Uint8Array>, AsyncIterator<Uint8Array> {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #flow: Flow;
  readonly #left = new AbortController();
  readonly #stop: AbortSignal;
  #rest: Uint8Array | undefined;

  /** `signal` ends the waiting for the limit; the source has it from elsewhere. */
  constructor(source: AsyncIterable<Uint8Array>, flow: Flow, signal?: AbortSignal) {
    this.#source = source[Symbol.asyncIterator]();
    this.#flow = flow;
    this.#stop = signal === undefined ? this.#left.signal : AbortSignal.any([signal, this.#left.signal]);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#rest === undefined && !this.#flow.limited) return this.#source.next();
    return this.#piece();
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    this.#left.abort();
    this.#rest = undefined;
    await this.#source.return?.();
    return { done: true, value: undefined };
  }

  async #piece(): Promise<IteratorResult<Uint8Array>> {
    let chunk = this.#rest;
    if (chunk === undefined) {
      const step = await this.#source.next();
      if (step.done) return step;
      chunk = step.value;
    }
    const { pieceBytes } = this.#flow;
    let piece = chunk;
    this.#rest = undefined;
    if (chunk.byteLength > pieceBytes) {
      piece = shareChunk(chunk, 0, pieceBytes);
      this.#rest = shareChunk(chunk, pieceBytes);
      giveBackChunk(chunk);
    }
    try {
      await this.#flow.take(piece.byteLength, this.#stop);
    } catch (error) {
      // As a generator's own failure would: it closes what it reads
      await this.return();
      throw error;
    }
    return { done: false, value: piece };
  }
}

/** Waits until so many bytes may go, which then go at once. @throws the signal's reason */
export async function passAll(bytes: number, flow: Flow, signal?: AbortSignal): Promise<void> {
  for (let left = bytes; left > 0; ) {
    const piece = Math.min(left, flow.pieceBytes);
    await flow.take(piece, signal);
    left -= piece;
  }
}
