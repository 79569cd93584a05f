/** Work that moves no bytes: who waits for an import hears of it, so that its stall clock stands still. */
export type Work = 'hash' | 'fsync' | 'unpack' | 'verify';

/** Counts what is under way, by kind. */
export class WorkInProgress {
  readonly #running = new Map<Work, number>();

  /** One kind that is under way. */
  get busy(): Work | undefined {
    return this.#running.keys().next().value;
  }

  async during<T>(kind: Work, work: () => Promise<T>): Promise<T> {
    this.#running.set(kind, (this.#running.get(kind) ?? 0) + 1);
    try {
      return await work();
    } finally {
      const left = (this.#running.get(kind) ?? 1) - 1;
      if (left === 0) this.#running.delete(kind);
      else this.#running.set(kind, left);
    }
  }
}
