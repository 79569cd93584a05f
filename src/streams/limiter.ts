/** Bounded concurrency: at most `limit` tasks run at once, the others wait in order. */
export class Limiter {
  readonly #limit: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(limit: number) {
    this.#limit = Math.max(1, limit);
  }

  /** @throws what `task` throws; the signal's reason when it aborts before the task's turn */
  async run<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.#running >= this.#limit) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running += 1;
    try {
      signal?.throwIfAborted();
      return await task();
    } finally {
      const next = this.#waiting.shift();
      // The place is handed over, so that nobody slips in between
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
