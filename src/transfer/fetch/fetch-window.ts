/** What a node asked its peers for and has not yet handed to its store: bytes, over all of its fetches. */
export const windowBytes = 32 * 1024 * 1024;

/** Less would make requests so small that their round trips show. */
const leastShare = 1024 * 1024;

/** Divides the window among the fetches that are under way. */
export class FetchWindow {
  readonly #bytes: number;
  #fetches = 0;

  constructor(bytes = windowBytes) {
    this.#bytes = bytes;
  }

  /** What one fetch may have asked for at this moment. */
  get share(): number {
    return Math.max(leastShare, Math.floor(this.#bytes / Math.max(1, this.#fetches)));
  }

  /** Of a fetch, until it is disposed of. */
  enter(): Disposable {
    this.#fetches += 1;
    return {
      [Symbol.dispose]: () => {
        this.#fetches -= 1;
      },
    };
  }
}
