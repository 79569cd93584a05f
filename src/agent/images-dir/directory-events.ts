import { type FSWatcher, watch } from 'node:fs';
import { pathText } from './native-path.ts';
import type { FoundDirectory } from './scan.ts';

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

  /**
   * These, and no others from now on.
   *
   * @returns whether a directory is followed that was not before: of what happened in it until now nothing was told
   */
  follow(directories: readonly FoundDirectory[]): boolean {
    // A directory that was made anew is another one: the watch is upon the one that is gone
    const wanted = new Map(directories.map((found) => [`${found.inode} ${pathText(found.at)}`, found]));
    for (const [key, watcher] of this.#watchers) {
      if (wanted.has(key)) continue;
      watcher.close();
      this.#watchers.delete(key);
    }
    const unwatched = [...wanted].filter(([key]) => !this.#watchers.has(key));
    for (const [key, directory] of unwatched) this.#watch(key, directory);
    return unwatched.some(([key]) => this.#watchers.has(key));
  }

  [Symbol.dispose](): void {
    this.follow([]);
  }

  /** Where the kernel allows no more watches, looking from time to time has to do. */
  #watch(key: string, { at }: FoundDirectory): void {
    try {
      const watcher = watch(at, { persistent: false });
      this.#watchers.set(key, watcher);
      watcher.on('change', this.#onEvent);
      watcher.on('error', () => {
        watcher.close();
        if (this.#watchers.get(key) === watcher) this.#watchers.delete(key);
      });
    } catch {
      // The next scan tries again
    }
  }
}
