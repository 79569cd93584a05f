/** Longer than any pause of a process that runs, in milliseconds. */
const asleepMs = 2_500;

/**
 * Time as this process lived it, in milliseconds. A command that was stopped (Ctrl-Z) or starved for a while has heard
 * of nobody in that time, and holds it against nobody. To be read at least once a second.
 */
export class AwakeClock {
  readonly #now: () => number;
  #last: number;
  #asleep = 0;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#last = now();
  }

  now(): number {
    const now = this.#now();
    const gap = now - this.#last;
    this.#last = now;
    if (gap > asleepMs) this.#asleep += gap;
    return now - this.#asleep;
  }
}
