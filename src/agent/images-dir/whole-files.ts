import type { ImgctlError } from '../../errors.ts';
import { DirectoryEvents } from './directory-events.ts';
import { type FoundFile, isSameFile } from './found-file.ts';
import { openForWriting } from './open-for-writing.ts';
import { type Scanned, scan } from './scan.ts';

export interface WholeFilesOptions {
  /** Absolute. */
  readonly directory: string;
  /** How long a file's size and time must stand still before it counts as whole. Milliseconds. */
  readonly settleMs: number;
  /** The directory is looked at so often, whatever events say. Milliseconds. */
  readonly scanMs: number;
  /** Files that were there before: those of them that are not any more are told to be gone. */
  readonly expected: ReadonlySet<string>;
  /** It is there, or is another one than before, and is not whole yet. */
  onArriving(file: FoundFile): void;
  onWhole(file: FoundFile): void;
  onGone(path: string): void;
  /** Told when it changes: why the directory, or one below it, cannot be read; undefined: it can. */
  onTrouble(error: ImgctlError | undefined): void;
}

interface Seen {
  readonly file: FoundFile;
  /** By `performance.now()`. */
  readonly since: number;
  told: boolean;
}

/**
 * Watches a directory and tells of each file once it is whole, again when it has changed, and when it is gone. Whole:
 * nothing of it has changed for a while, which its own time shows of a file that was renamed in or was there before,
 * and nobody has it open for writing: a copy that pauses, or takes an hour, is told of once, at its end.
 */
export class WholeFiles {
  readonly #options: WholeFilesOptions;
  readonly #seen = new Map<string, Seen>();
  readonly #expected: Set<string>;
  #trouble: string | undefined;
  #wake: (() => void) | undefined;
  #happened = false;

  constructor(options: WholeFilesOptions) {
    this.#options = options;
    this.#expected = new Set(options.expected);
  }

  /** Once more: it is told to be gone, unless it is there, when the directory is looked at next. */
  expect(path: string): void {
    this.#expected.add(path);
  }

  /** Until the signal aborts; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { directory, settleMs, scanMs } = this.#options;
    using events = new DirectoryEvents(() => this.#look());
    const stop = () => this.#look();
    signal.addEventListener('abort', stop);
    try {
      while (!signal.aborted) {
        this.#happened = false;
        const scanned = await scan(directory);
        // What came between the look and the watch shows on a second look
        if (events.follow(scanned.directories)) this.#happened = true;
        if (!signal.aborted) await this.#take(scanned);
        const waiting = [...this.#seen.values()].some(({ told }) => !told);
        // A copy under way causes events all the time
        await this.#pause(settleMs / 4, signal, false);
        await this.#pause((waiting ? settleMs : scanMs) - settleMs / 4, signal, true);
      }
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  /** Makes it look now. */
  #look(): void {
    this.#happened = true;
    this.#wake?.();
  }

  async #take({ files, unread, error }: Scanned): Promise<void> {
    const { onArriving, onWhole, onGone, onTrouble } = this.#options;
    if (error?.message !== this.#trouble) onTrouble(error);
    this.#trouble = error?.message;
    for (const path of [...this.#seen.keys(), ...this.#expected]) {
      if (!files.has(path) && unread.some((one) => path === one || path.startsWith(`${one}/`))) continue;
      this.#expected.delete(path);
      if (files.has(path)) continue;
      this.#seen.delete(path);
      onGone(path);
    }
    for (const file of files.values()) {
      const before = this.#seen.get(file.path);
      if (before !== undefined && isSameFile(before.file.identity, file.identity)) continue;
      this.#seen.set(file.path, { file, since: performance.now(), told: false });
      onArriving(file);
    }
    const still = [...this.#seen.values()].filter((seen) => !seen.told && this.#standsStill(seen));
    const busy = await openForWriting(new Set(still.map(({ file }) => file.inode)));
    for (const seen of still) {
      if (busy.has(seen.file.inode)) continue;
      seen.told = true;
      onWhole(seen.file);
    }
  }

  #standsStill({ file, since }: Seen): boolean {
    const { settleMs } = this.#options;
    const ageMs = Date.now() - Number(BigInt(file.identity.modifiedNs) / 1_000_000n);
    return ageMs >= settleMs || performance.now() - since >= settleMs;
  }

  async #pause(ms: number, signal: AbortSignal, wakeable: boolean): Promise<void> {
    if (signal.aborted || (wakeable && this.#happened)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#wake = () => {
      if (wakeable || signal.aborted) resolve();
    };
    await promise;
    clearTimeout(timer);
    this.#wake = undefined;
  }
}
