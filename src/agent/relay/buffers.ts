/** What is held of one blob at most, in bytes. */
const perBlob = 8 * 1024 * 1024;
/** Of all blobs that are passed on at the same time, so that the agent's memory does not grow with them. */
const together = 24 * 1024 * 1024;
/** Below it, every hiccup of one side is felt by the other. */
const least = 512 * 1024;

/** How much of the blobs that pass through may be held in memory. */
export class RelayBuffers {
  #blobs = 0;

  /** For one more blob, until it is disposed of. */
  take(): RelayBuffer {
    this.#blobs += 1;
    return {
      bytes: () => Math.max(least, Math.min(perBlob, together / this.#blobs)),
      [Symbol.dispose]: () => {
        this.#blobs -= 1;
      },
    };
  }
}

interface RelayBuffer extends Disposable {
  readonly bytes: () => number;
}
