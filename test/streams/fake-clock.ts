import type { RateClock } from '../../src/streams/rate-limit.ts';

/** Time that passes when the test says so. */
export class FakeClock implements RateClock {
  #now = 0;
  readonly #timers = new Set<{ readonly at: number; readonly then: () => void }>();

  now(): number {
    return this.#now;
  }

  later(ms: number, then: () => void): () => void {
    const timer = { at: this.#now + ms, then };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Calls that somebody waits for. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Lets so many milliseconds pass, and everybody do what they were waiting for meanwhile. */
  async pass(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (;;) {
      // Whoever can go on asks for more first
      await new Promise<void>((resolve) => setImmediate(resolve));
      const due = [...this.#timers].filter(({ at }) => at <= until).toSorted((a, b) => a.at - b.at)[0];
      this.#now = Math.max(this.#now, due?.at ?? until);
      if (due === undefined) return;
      this.#timers.delete(due);
      due.then();
    }
  }
}
