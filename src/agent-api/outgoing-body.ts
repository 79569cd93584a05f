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
  #previous: Uint8Array | undefined;
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
      // undici asks for the next chunk when the socket has taken the last one: a chunk is larger than what a socket
      // buffers, so that it waits for the drain
      if (this.#previous !== undefined) giveBackChunk(this.#previous);
      this.#previous = undefined;
      const step = await Promise.race([this.#source.next(), stopped]);
      if (this.#held && !this.#stopped) return stopped;
      if (step.done) this.#stopped = true;
      else this.#previous = step.value;
      return step;
    } catch (error) {
      if (this.#held && !this.#stopped) return stopped;
      if (!this.#stopped) this.#failure = error;
      this.#stopped = true;
      throw error;
    }
  }
}
