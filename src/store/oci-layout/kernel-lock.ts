import { DatabaseSync } from 'node:sqlite';

/**
 * A lock on a file that the kernel drops when its process dies, however it dies: there is no stale lock to detect, and
 * no process ID to compare, which says nothing across containers. Node.js has no such call of its own; SQLite
 * takes POSIX locks, and an empty database stays an empty file.
 */
export class KernelLock implements Disposable {
  readonly #database: DatabaseSync;
  #held = false;

  /** The file is made where it is missing. */
  constructor(path: string) {
    this.#database = new DatabaseSync(path, { timeout: 0 });
  }

  /** Whether this lock is held now: false where somebody else holds it. */
  tryLock(): boolean {
    if (this.#held) return true;
    try {
      // In memory: no journal file beside it
      this.#database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
      this.#held = true;
    } catch (error) {
      if (!isBusy(error)) throw error;
    }
    return this.#held;
  }

  unlock(): void {
    if (this.#held) this.#database.exec('ROLLBACK');
    this.#held = false;
  }

  [Symbol.dispose](): void {
    this.#database.close();
    this.#held = false;
  }
}

function isBusy(error: unknown): boolean {
  const busy = 5; // SQLITE_BUSY
  return error instanceof Error && 'errcode' in error && error.errcode === busy;
}
