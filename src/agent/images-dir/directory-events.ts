import { type FSWatcher, watch } from 'node:fs';

/**
 * Tells that something happened in one of these directories, soon after it did. That is a hint and no more: events get
 * lost, and some file systems have none, so whoever listens looks from time to time in any case.
 */
export class DirectoryEvents implements Disposable {
  readonly #onEvent: () => void;
  readonly #watchers = new Map<string, FSWatcher>();

  constructor(onEvent: () => void) {
    this.#onEvent = onEvent;
  }

  /** These, and no others from now on. */
  follow(directories: readonly string[]): void {
    const wanted = new Set(directories);
    for (const [directory, watcher] of this.#watchers) {
      if (wanted.has(directory)) continue;
      watcher.close();
      this.#watchers.delete(directory);
    }
    for (const directory of wanted) if (!this.#watchers.has(directory)) this.#watch(directory);
  }

  [Symbol.dispose](): void {
    this.follow([]);
  }

  /** Where the kernel allows no more watches, looking from time to time has to do. */
  #watch(directory: string): void {
    try {
      const watcher = watch(directory, { persistent: false });
      this.#watchers.set(directory, watcher);
      watcher.on('change', this.#onEvent);
      watcher.on('error', () => {
        watcher.close();
        if (this.#watchers.get(directory) === watcher) this.#watchers.delete(directory);
      });
    } catch {
      // The next scan tries again
    }
  }
}
