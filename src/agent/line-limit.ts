/** More than anybody reads, far less than fills a disk. */
const linesPerMinute = 30;
const minuteMs = 60_000;

/** A log that anybody can write to by connecting, or by asking without a token, must not fill the disk. */
export class LineLimit {
  readonly #max: number;
  readonly #now: () => number;
  #endsAt = 0;
  #told = 0;
  #leftOut = 0;

  constructor(max = linesPerMinute, now: () => number = () => performance.now()) {
    this.#max = max;
    this.#now = now;
  }

  /** What belongs to a line that may be written: how many before it were not. Undefined: it is one of those. */
  next(): { readonly leftOut?: number } | undefined {
    const now = this.#now();
    if (now >= this.#endsAt) [this.#endsAt, this.#told] = [now + minuteMs, 0];
    if (this.#told >= this.#max) {
      this.#leftOut += 1;
      return undefined;
    }
    this.#told += 1;
    const leftOut = this.#leftOut;
    this.#leftOut = 0;
    return leftOut === 0 ? {} : { leftOut };
  }
}
