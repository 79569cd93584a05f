/** A rate is taken over no less than this, in milliseconds. */
const windowMs = 700;

/** What goes over a link in one direction, by all transfers together, in bytes a millisecond: of late, not on the whole. */
export class Meter {
  #bytes = 0;
  #sinceMs: number | undefined;
  #windows = 0;
  #rate = 0;
  #before = 0;

  add(bytes: number, atMs: number): void {
    // After a pause longer than a window it is measured anew
    if (this.#sinceMs === undefined || atMs - this.#sinceMs > 4 * windowMs) {
      this.#sinceMs = atMs;
      this.#bytes = 0;
      this.#windows = 0;
      return;
    }
    this.#bytes += bytes;
    const passed = atMs - this.#sinceMs;
    if (passed < windowMs) return;
    this.#before = this.#rate;
    this.#rate = this.#bytes / passed;
    this.#windows += 1;
    this.#bytes = 0;
    this.#sinceMs = atMs;
  }

  /** Undefined before it was measured. */
  get rate(): number | undefined {
    return this.#windows === 0 ? undefined : this.#rate;
  }

  /** What it did not fall below in the last two windows: what was held up comes all at once afterwards. */
  get steady(): number | undefined {
    return this.#windows < 2 ? undefined : Math.min(this.#before, this.#rate);
  }

  /** The last of which anything is known. */
  get latest(): number {
    return this.#rate;
  }
}
