import { errorToWire } from '../../agent-api/errors.ts';
import type { ImagesDirectoryStatus } from '../../agent-api/schemas.ts';
import { type ImgctlError, printable } from '../../errors.ts';
import { Limiter } from '../../streams/limiter.ts';
import type { ImportOptions } from '../../transfer/import.ts';
import type { BundleVerifier } from '../../trust/bundle-verifier.ts';
import type { Log } from '../log.ts';
import { BackOff, type BackOffLimits } from './back-off.ts';
import { FileEntry } from './file-entry.ts';
import type { FoundFile } from './found-file.ts';
import { K3sCache } from './k3s-cache.ts';
import { seesWriters } from './open-for-writing.ts';
import type { Pull } from './pull-list.ts';
import { Reading } from './reading.ts';
import { Remembered } from './remembered.ts';
import type { TakeFileOptions } from './take-file.ts';
import { tellOnce } from './tell-once.ts';
import { directoryLabels } from './unpin.ts';
import { WholeFiles } from './whole-files.ts';
import { Work } from './work.ts';

/**
 * images-dir/ is the images directory: what is put into it gets into the node's store, as K3s does it with its own, and
 * without reading again what is there already. It drives the import that the API drives. This file is its door.
 */

export interface ImagesDirectorySettings {
  /** Absolute. */
  readonly directory: string;
  /** Files that are read at once. */
  readonly concurrency: number;
  /** Whether images are unpinned that no file gives any more. */
  readonly prune: boolean;
  /** Where it is remembered what files gave. */
  readonly memory: string;
}

/** Milliseconds. */
export interface ImagesDirectoryTimes {
  readonly settleMs: number;
  readonly scanMs: number;
  readonly backOff: BackOffLimits;
}

export interface ImagesDirectoryOptions {
  readonly settings: ImagesDirectorySettings;
  readonly times: ImagesDirectoryTimes;
  /** Where only signed files are taken: what they are held to. */
  readonly verifier?: BundleVerifier | undefined;
  readonly importsInto: (signal: AbortSignal) => ImportOptions;
  readonly pull: Pull;
  readonly log: Log;
  /** Told of each file that was read. */
  readonly onRead: (outcome: 'ready' | 'partial' | 'failed') => void;
}

export class ImagesDirectory implements AsyncDisposable {
  readonly #options: ImagesDirectoryOptions;
  readonly #taking: TakeFileOptions;
  readonly #reading: Reading;
  readonly #entries = new Map<string, FileEntry>();
  readonly #stop = new AbortController();
  readonly #work: Work;
  readonly #seesWriters: boolean;
  #trouble: ImgctlError | undefined;

  private constructor(
    options: ImagesDirectoryOptions,
    { remembered, cache, sees }: { remembered: Remembered; cache: K3sCache; sees: boolean },
  ) {
    const { times, settings, importsInto, log, onRead } = options;
    this.#options = options;
    this.#work = new Work(log, this.#stop.signal);
    const imports = { ...importsInto(this.#stop.signal), labels: directoryLabels };
    this.#seesWriters = sees;
    this.#taking = {
      ...{ ...options, imports, remembered, cache, backOff: new BackOff(times.backOff) },
      wholeFiles: () =>
        [...this.#entries.values()].flatMap(({ gone, state, file }) =>
          gone || state === 'arriving' ? [] : file,
        ),
    };
    this.#reading = new Reading({
      ...{ ...settings, log, onRead, entries: this.#entries, work: this.#work, taking: this.#taking },
      signal: this.#stop.signal,
    });
  }

  /** Begins to watch, and goes on until it is disposed of. */
  static async open(options: ImagesDirectoryOptions): Promise<ImagesDirectory> {
    const { log } = options;
    const { directory, memory } = options.settings;
    const onTrouble = tellOnce(log);
    const [remembered, cache, sees] = await Promise.all([
      Remembered.open({ path: memory, directory, key: options.verifier?.id, onTrouble }),
      K3sCache.open(directory, onTrouble),
      seesWriters(),
    ]);
    const opened = new ImagesDirectory(options, { remembered, cache, sees });
    opened.#work.add(opened.#watch());
    return opened;
  }

  status(): ImagesDirectoryStatus {
    const files = [...this.#entries.values()].filter(({ gone }) => !gone);
    return {
      directory: this.#options.settings.directory,
      seesWriters: this.#seesWriters,
      files: files.map((entry) => entry.describe()),
      ...(this.#trouble === undefined ? {} : { error: errorToWire(this.#trouble) }),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    for (const { retry } of this.#entries.values()) clearTimeout(retry);
    await this.#work.ended();
    const { remembered, cache } = this.#taking;
    await Promise.all([remembered[Symbol.asyncDispose](), cache[Symbol.asyncDispose]()]);
  }

  async #watch(): Promise<void> {
    const { settings, times, log } = this.#options;
    const { remembered, cache } = this.#taking;
    const files = new WholeFiles({
      ...settings,
      ...times,
      expected: new Set([...remembered.paths, ...cache.paths]),
      onArriving: (file) => this.#arriving(file),
      onWhole: ({ path }) => this.#whole(path),
      onGone: (path) => {
        const gone = this.#gone(path).catch((thrown) => {
          files.expect(path);
          throw thrown;
        });
        this.#work.add(gone);
      },
      onTrouble: (error) => {
        this.#trouble = error;
        if (error === undefined) return;
        log.warn({ code: error.code, message: printable(error.message) }, 'images directory cannot be read');
      },
    });
    await files.run(this.#stop.signal);
  }

  #arriving(file: FoundFile): void {
    const entry = this.#entries.get(file.path) ?? new FileEntry(file);
    this.#entries.set(file.path, entry);
    entry.file = file;
    entry.gone = false;
    entry.whole = false;
    clearTimeout(entry.retry);
    this.#taking.backOff.forget(file.path);
    if (entry.state !== 'importing') entry.become('arriving');
  }

  #whole(path: string): void {
    const entry = this.#entries.get(path);
    if (entry !== undefined) entry.whole = true;
    this.#reading.queue(path);
  }

  async #gone(path: string): Promise<void> {
    const { remembered, cache } = this.#taking;
    const { signal } = this.#stop;
    const entry = this.#entries.get(path);
    if (entry !== undefined) {
      entry.gone = true;
      clearTimeout(entry.retry);
    }
    // Another file of the name has an entry of its own
    const cameAgain = () => this.#entries.get(path) !== entry || entry?.gone === false;
    await (entry?.turn ?? new Limiter(1)).run(async () => {
      if (cameAgain()) return;
      const images = remembered.lastImagesOf(path);
      remembered.forget(path);
      cache.delete(path);
      await this.#reading.pins.gaveBefore(path, images, []);
      if (!cameAgain()) this.#entries.delete(path);
      // A name that it gave may be another file's again
      const { givers } = remembered;
      const changed = images.filter(({ name, target }) => {
        const heir = givers.last(name)?.image.target;
        return heir !== undefined && heir.digest !== target.digest;
      });
      const others = changed.flatMap(({ name }) => givers.all(name));
      for (const other of new Set(others.map((giver) => giver.path))) this.#reading.queue(other);
    }, signal);
  }
}
