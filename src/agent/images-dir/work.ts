import { toImgctlError } from '../../errors.ts';
import type { Log } from '../log.ts';

/** What is under way for the images directory, and nobody waits for until the agent ends. */
export class Work {
  readonly #log: Log;
  readonly #signal: AbortSignal;
  readonly #running = new Set<Promise<void>>();

  /** Once the signal aborts, what breaks off is no news. */
  constructor(log: Log, signal: AbortSignal) {
    this.#log = log;
    this.#signal = signal;
  }

  add(work: Promise<void>): void {
    const tracked = work
      .catch((thrown: unknown) => {
        if (this.#signal.aborted) return;
        const { code, message } = toImgctlError(thrown);
        this.#log.error({ code, message }, 'images directory');
      })
      .finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
  }

  /** Also what is added meanwhile. */
  async ended(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}
