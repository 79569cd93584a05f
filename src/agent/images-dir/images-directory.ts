import { errorToWire } from '../../agent-api/errors.ts';
import type { ImagesDirectoryStatus } from '../../agent-api/schemas.ts';
import { type ImgctlError, printable, toImgctlError } from '../../errors.ts';
import { Limiter } from '../../streams/limiter.ts';
import type { ImportOptions } from '../../transfer/import.ts';
import type { BundleVerifier } from '../../trust/bundle-verifier.ts';
import type { Log } from '../log.ts';
import { BackOff, type BackOffLimits } from './back-off.ts';
import { FileEntry } from './file-entry.ts';
import type { FoundFile } from './found-file.ts';
import { K3sCache } from './k3s-cache.ts';
import { seesWriters } from './open-for-writing.ts';
import type { PartGroup } from './parts.ts';
import type { Pull } from './pull-list.ts';
import { type GivenImage, Remembered } from './remembered.ts';
import { waitBeforeRetry, wantsBase } from './retry.ts';
import { settleNames } from './rivals.ts';
import { type TakeFileOptions, takeFile } from './take-file.ts';
import { tellOnce } from './tell-once.ts';
import { directoryLabels, unpin } from './unpin.ts';
import { WholeFiles } from './whole-files.ts';

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
  readonly #entries = new Map<string, FileEntry>();
  readonly #queued = new Set<FileEntry>();
  readonly #work = new Set<Promise<void>>();
  readonly #archives: Limiter;
  /** Registries may keep one waiting: archives do not wait for them. */
  readonly #lists = new Limiter(1);
  readonly #stop = new AbortController();
  /** Names that several files give are settled one after the other. */
  readonly #names = new Limiter(1);
  readonly #seesWriters: boolean;
  #trouble: ImgctlError | undefined;

  private constructor(
    options: ImagesDirectoryOptions,
    { remembered, cache, sees }: { remembered: Remembered; cache: K3sCache; sees: boolean },
  ) {
    const { times, settings, importsInto } = options;
    this.#options = options;
    this.#archives = new Limiter(settings.concurrency);
    const imports = { ...importsInto(this.#stop.signal), labels: directoryLabels };
    this.#seesWriters = sees;
    this.#taking = {
      ...{ ...options, imports, remembered, cache, backOff: new BackOff(times.backOff) },
      wholeFiles: () =>
        [...this.#entries.values()].flatMap(({ gone, state, file }) =>
          gone || state === 'arriving' ? [] : file,
        ),
    };
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
    opened.#during(opened.#watch());
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
    while (this.#work.size > 0) await Promise.all(this.#work);
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
      onWhole: ({ path }) => this.#queue(path),
      onGone: (path) => this.#during(this.#gone(path)),
      onTrouble: (error) => {
        this.#trouble = error;
        if (error === undefined) return;
        log.warn({ code: error.code, message: printable(error.message) }, 'images directory cannot be read');
      },
    });
    await files.run(this.#stop.signal);
  }

  #during(work: Promise<void>): void {
    const { signal } = this.#stop;
    const tracked = work
      .catch((thrown: unknown) => {
        if (signal.aborted) return;
        const { code, message } = toImgctlError(thrown);
        this.#options.log.error({ code, message }, 'images directory');
      })
      .finally(() => this.#work.delete(tracked));
    this.#work.add(tracked);
  }

  #arriving(file: FoundFile): void {
    const entry = this.#entries.get(file.path) ?? new FileEntry(file);
    this.#entries.set(file.path, entry);
    entry.file = file;
    entry.gone = false;
    clearTimeout(entry.retry);
    this.#taking.backOff.forget(file.path);
    if (entry.state !== 'importing') entry.become('arriving');
  }

  /** One that changes while it is read is read once more. */
  #queue(path: string): void {
    const entry = this.#entries.get(path);
    if (entry === undefined || this.#queued.has(entry)) return;
    this.#queued.add(entry);
    if (entry.state !== 'importing') entry.become('waiting');
    const limiter = entry.file.kind === 'list' ? this.#lists : this.#archives;
    const { signal } = this.#stop;
    const read = async () => {
      this.#queued.delete(entry);
      if (!entry.gone) await this.#read(entry, signal);
    };
    this.#during(entry.turn.run(() => limiter.run(read, signal), signal));
  }

  async #read(entry: FileEntry, signal: AbortSignal): Promise<void> {
    const { settings, log, onRead } = this.#options;
    const { path } = entry.file;
    const shown = printable(path);
    const begun = performance.now();
    const before = this.#taking.remembered.lastImagesOf(path);
    entry.begin();
    try {
      const taken = await takeFile(entry, this.#taking, signal);
      if ('partOf' in taken) return this.#waitForParts(entry, taken.partOf);
      const { given, read, whole } = taken;
      this.#taking.backOff.forget(path);
      if (settings.prune && whole) await this.#unpin(before, path, given);
      await this.#settle(given, signal);
      if (!read) log.info({ file: shown, images: entry.images.length }, `Images from ${shown} are all there`);
      else if (!entry.failed)
        log.info(entry.summary(), `Imported images from ${shown} in ${seconds(performance.now() - begun)}`);
      if (!read) return this.#end(entry);
    } catch (thrown) {
      if (signal.aborted) return;
      entry.error = toImgctlError(thrown);
    }
    this.#end(entry);
    if (entry.failed) {
      log.warn(entry.summary(), `Images from ${shown} were not all imported`);
      this.#tryLater(entry);
    } else this.#tryDeltas();
    onRead(entry.outcome);
  }

  /** What becomes of a bundle becomes of all of its parts. */
  #end(entry: FileEntry): void {
    entry.become(entry.failed ? 'failed' : 'ready');
    for (const path of entry.parts) {
      const part = this.#entries.get(path);
      if (part === entry || part?.state !== 'waiting') continue;
      part.error = entry.error;
      part.become(entry.state);
    }
  }

  #waitForParts(entry: FileEntry, { leader, waitsFor }: PartGroup): void {
    entry.error = waitsFor;
    entry.become('waiting');
    if (waitsFor === undefined) this.#queue(leader.path);
  }

  /** A name that several files give belongs to the one that came last. */
  async #settle(given: readonly GivenImage[], signal: AbortSignal): Promise<void> {
    const { remembered, imports } = this.#taking;
    const names = given.map(({ name }) => name);
    const settle = () => settleNames(names, remembered, imports, signal);
    for (const { path, image, state } of await this.#names.run(settle, signal))
      this.#entries.get(path)?.set({ name: image.name, digest: image.target.digest, state });
  }

  /** What they build upon may have come. */
  #tryDeltas(): void {
    for (const entry of this.#entries.values())
      if (entry.state === 'failed' && !entry.gone && entry.errors.some(wantsBase))
        this.#queue(entry.file.path);
  }

  #tryLater(entry: FileEntry): void {
    const waitMs = waitBeforeRetry(entry, this.#taking.backOff);
    if (waitMs === undefined) return;
    entry.retry = setTimeout(() => this.#queue(entry.file.path), waitMs).unref();
  }

  async #gone(path: string): Promise<void> {
    const { remembered, cache } = this.#taking;
    const { signal } = this.#stop;
    const entry = this.#entries.get(path);
    if (entry !== undefined) {
      entry.gone = true;
      clearTimeout(entry.retry);
    }
    await (entry?.turn ?? new Limiter(1)).run(async () => {
      if (entry?.gone === false) return;
      this.#entries.delete(path);
      const images = remembered.lastImagesOf(path);
      remembered.forget(path);
      cache.delete(path);
      if (this.#options.settings.prune) await this.#unpin(images, path, []);
      // A name that it gave may be another file's again
      const others = images.flatMap(({ name }) => remembered.giversOf(name));
      for (const other of new Set(others.map((giver) => giver.path))) this.#queue(other);
    }, signal);
  }

  /** Of the images that a file gave, those that neither it nor any other gives now. */
  async #unpin(before: readonly GivenImage[], path: string, now: readonly GivenImage[]): Promise<void> {
    const { remembered, imports } = this.#taking;
    const others = remembered.paths.filter((other) => other !== path);
    const kept = [...now, ...others.flatMap((other) => remembered.lastImagesOf(other))];
    const names = await unpin(before, kept, imports.store, this.#stop.signal);
    if (names.length > 0) this.#options.log.info({ file: printable(path), images: names }, 'images unpinned');
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(3)}s`;
}
