import { printable } from '../../errors.ts';
import type { Store } from '../../store/store.ts';
import type { Log } from '../log.ts';
import { namesOf } from './givers.ts';
import type { GivenImage, Remembered } from './remembered.ts';
import { unpin } from './unpin.ts';

export interface PinsOptions {
  /** Whether images are unpinned that no file gives any more. */
  readonly prune: boolean;
  readonly remembered: Pick<Remembered, 'givers' | 'lastImagesOf' | 'mayHaveGiven'>;
  readonly store: Store;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Looks once more at a file whose images were found pinned, and may have been unpinned since. */
  readonly again: (path: string) => void;
}

/**
 * Takes pins off for which there is no reason any more. Another file may come to give the same name meanwhile, as
 * one does that was renamed: it finds the pin still there, and would never know that it went.
 */
export class Pins {
  readonly #options: PinsOptions;
  /** Names that were unpinned, for each file that is read meanwhile. */
  readonly #lost = new Set<Set<string>>();

  constructor(options: PinsOptions) {
    this.#options = options;
  }

  /**
   * What a file gave and gives not now is unpinned, where that is asked for and no other file gives it. Where that goes
   * wrong it is kept in mind for another time.
   */
  async gaveBefore(path: string, before: readonly GivenImage[], now: readonly GivenImage[]): Promise<void> {
    const { prune, remembered, store, signal, log, again } = this.#options;
    if (!prune || before.length === 0) return;
    const { givers } = remembered;
    const own = new Set(now.flatMap(namesOf));
    const isKept = (name: string) => own.has(name) || givers.isGivenBeside(path, name);
    const touched = new Set<string>();
    try {
      const names = await unpin(before, isKept, { store, signal, onUnpin: (name) => touched.add(name) });
      if (names.length > 0) log.info({ file: printable(path), images: names }, 'images unpinned');
    } catch (thrown) {
      remembered.mayHaveGiven(path, before);
      throw thrown;
    } finally {
      for (const name of touched) {
        for (const lost of this.#lost) lost.add(name);
        for (const other of givers.pathsBeside(path, name)) again(other);
      }
    }
  }

  /** Reads a file, and looks at it once more where what it gives was unpinned meanwhile. */
  async during(path: string, read: () => Promise<void>): Promise<void> {
    const { remembered, again } = this.#options;
    const lost = new Set<string>();
    this.#lost.add(lost);
    try {
      await read();
      const given = lost.size === 0 ? [] : remembered.lastImagesOf(path);
      if (given.flatMap(namesOf).some((name) => lost.has(name))) again(path);
    } finally {
      this.#lost.delete(lost);
    }
  }
}
