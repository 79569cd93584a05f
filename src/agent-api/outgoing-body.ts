import { giveBackChunk } from '../streams/chunk-pool.ts';

/**
 * A request's body that can be left at any moment. undici goes on asking a source that waits (a pipe, a slow disk)
 * after the answer is there; this ends the request's side at once and closes the source behind it.
 */
export class OutgoingBody implements AsyncIterable<Uint8Array> {
  readonly #open: () => AsyncIterable<Uint8Array>;
  #source: AsyncIterator<Uint8Array> | undefined;
  #stopped = false;
  #held = false;
  readonly #sent = new InFlight();
  #wake: (() => void) | undefined;
  #failure: unknown;

  /** `open` is called when the first bytes are to be sent: not where nobody answers. */
  constructor(open: () => AsyncIterable<Uint8Array>) {
    this.#open = open;
  }

  /** What the source threw, if it did. */
  get failure(): unknown {
    return this.#failure;
  }

  /** The other side has enough, and is to be heard out: nothing more is sent, and the request stays open. */
  hold(): void {
    this.#held = true;
    this.#source?.return?.().catch(() => {});
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#wake?.();
    // A generator that is busy closes after its current step. Its failure then has nobody to hear it.
    this.#source?.return?.().catch(() => {});
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return {
      next: () => this.#next(),
      return: async () => {
        this.stop();
        return { value: undefined, done: true };
      },
    };
  }

  async #next(): Promise<IteratorResult<Uint8Array>> {
    if (this.#stopped) return { value: undefined, done: true };
    const stopped = new Promise<IteratorResult<Uint8Array>>((resolve) => {
      this.#wake = () => resolve({ value: undefined, done: true });
    });
    if (this.#held) return stopped;
    try {
      this.#source ??= this.#open()[Symbol.asyncIterator]();
      this.#sent.settle();
      const step = await Promise.race([this.#source.next(), stopped]);
      if (this.#held && !this.#stopped) return stopped;
      if (step.done) this.#stopped = true;
      else this.#sent.add(step.value);
      return step;
    } catch (error) {
      if (this.#held && !this.#stopped) return stopped;
      if (!this.#stopped) this.#failure = error;
      this.#stopped = true;
      throw error;
    }
  }
}

/** More than a socket of undici's buffers before it asks its writer to wait, in bytes. */
const socketBytes = 64 * 1024;

/**
 * Chunks that were handed to undici, and may still be read. It asks for the next one when the socket buffers less than
 * its high-water mark, else after it was drained: so at that moment, what is still unsent of the chunks is less than that
 * at their end.
 */
class InFlight {
  readonly #chunks: Uint8Array[] = [];
  #bytes = 0;

  add(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.byteLength;
  }

  /** The next chunk is asked for: those that are certainly sent are given back. */
  settle(): void {
    for (
      let [first] = this.#chunks;
      first !== undefined && this.#bytes >= socketBytes;
      [first] = this.#chunks
    ) {
      this.#bytes -= first.byteLength;
      this.#chunks.shift();
      giveBackChunk(first);
    }
  }
}
