/** When a registry was last waited for: whatever did not move then, nobody behind it is to blame. */
export class Waiting {
  #now = 0;
  #last = Number.NEGATIVE_INFINITY;

  /** By `performance.now()`; -Infinity: never. */
  get at(): number {
    return this.#now > 0 ? performance.now() : this.#last;
  }

  async during<T>(work: Promise<T>): Promise<T> {
    this.#now += 1;
    try {
      return await work;
    } finally {
      this.#now -= 1;
      this.#last = performance.now();
    }
  }
}
