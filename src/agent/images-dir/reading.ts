import { printable, toImgctlError } from '../../errors.ts';
import { Limiter } from '../../streams/limiter.ts';
import type { Log } from '../log.ts';
import type { FileEntry } from './file-entry.ts';
import type { FoundFile } from './found-file.ts';
import type { PartGroup } from './parts.ts';
import { Pins } from './pins.ts';
import type { GivenImage } from './remembered.ts';
import { waitBeforeRetry, wantsBase } from './retry.ts';
import { settleNames } from './rivals.ts';
import { type TakeFileOptions, takeFile } from './take-file.ts';
import type { Work } from './work.ts';

export interface ReadingOptions {
  /** Files that are read at once. */
  readonly concurrency: number;
  /** Whether images are unpinned that no file gives any more. */
  readonly prune: boolean;
  /** Those of the directory, by path. */
  readonly entries: ReadonlyMap<string, FileEntry>;
  readonly taking: TakeFileOptions;
  readonly work: Work;
  readonly log: Log;
  readonly onRead: (outcome: 'ready' | 'partial' | 'failed') => void;
  readonly signal: AbortSignal;
}

/** Reads the files that are whole, some at once, and again what failed; settles what follows from each. */
export class Reading {
  readonly pins: Pins;
  readonly #options: ReadingOptions;
  readonly #queued = new Set<FileEntry>();
  readonly #archives: Limiter;
  /** Registries may keep one waiting: archives do not wait for them. */
  readonly #lists = new Limiter(1);
  /** Names that several files give are settled one after the other. */
  readonly #names = new Limiter(1);
  /** Files that failed for want of what they build upon. */
  readonly #deltas = new Set<FileEntry>();
  /** Files that were read, and gave all. */
  #came = 0;

  constructor(options: ReadingOptions) {
    this.#options = options;
    this.#archives = new Limiter(options.concurrency);
    const { remembered, imports } = options.taking;
    this.pins = new Pins({
      ...{ ...options, remembered, store: imports.store },
      again: (path) => this.queue(path),
    });
  }

  /** One that changes while it waits, or is read, is read once it is whole again. */
  queue(path: string): void {
    const { entries, work, signal } = this.#options;
    const entry = entries.get(path);
    if (!entry?.whole) return;
    if (entry.state !== 'importing') entry.become('waiting');
    if (this.#queued.has(entry)) return;
    this.#queued.add(entry);
    const limiter = entry.file.kind === 'list' ? this.#lists : this.#archives;
    const read = async () => {
      this.#queued.delete(entry);
      if (!entry.gone && entry.whole) await this.pins.during(path, () => this.#read(entry));
    };
    work.add(entry.turn.run(() => limiter.run(read, signal), signal));
  }

  async #read(entry: FileEntry): Promise<void> {
    const { taking, log, onRead, signal } = this.#options;
    const { file } = entry;
    const { path } = file;
    const came = this.#came;
    const shown = printable(path);
    const begun = performance.now();
    const before = taking.remembered.lastImagesOf(path);
    entry.begin();
    this.#deltas.delete(entry);
    try {
      const taken = await takeFile(entry, taking, signal);
      if ('partOf' in taken) return this.#waitForParts(entry, file, taken.partOf);
      const { given, read, whole } = taken;
      if (!entry.failed) taking.backOff.forget(path);
      if (whole) await this.pins.gaveBefore(path, before, given);
      await this.#settle(given);
      if (!read) log.info({ file: shown, images: entry.images.length }, `Images from ${shown} are all there`);
      else if (!entry.failed)
        log.info(entry.summary(), `Imported images from ${shown} in ${seconds(performance.now() - begun)}`);
      if (!read) return this.#end(entry, file);
    } catch (thrown) {
      if (signal.aborted) return;
      entry.error = toImgctlError(thrown);
    }
    this.#end(entry, file);
    if (entry.failed) {
      log.warn(entry.summary(), `Images from ${shown} were not all imported`);
      if (entry.file === file) this.#tryLater(entry, came);
    } else this.#tryDeltas();
    onRead(entry.outcome);
  }

  /** What becomes of a bundle becomes of all of its parts. `read`: the file as it was when it was begun. */
  #end(entry: FileEntry, read: FoundFile): void {
    if (this.#isAnother(entry, read)) return;
    entry.become(entry.failed ? 'failed' : 'ready');
    for (const path of entry.parts) {
      const part = this.#options.entries.get(path);
      if (part === entry || part?.state !== 'waiting') continue;
      part.error = entry.error;
      part.become(entry.state);
    }
  }

  /** Whether it changed while it was read: then it is read in its turn. */
  #isAnother(entry: FileEntry, read: FoundFile): boolean {
    if (entry.file === read) return false;
    entry.become(entry.whole ? 'waiting' : 'arriving');
    return true;
  }

  #waitForParts(entry: FileEntry, read: FoundFile, { leader, waitsFor }: PartGroup): void {
    if (this.#isAnother(entry, read)) return;
    entry.error = waitsFor;
    entry.become('waiting');
    if (waitsFor === undefined) this.queue(leader.path);
  }

  /** A name that several files give belongs to the one that came last. */
  async #settle(given: readonly GivenImage[]): Promise<void> {
    const { entries, taking, signal } = this.#options;
    const names = given.map(({ name }) => name);
    const settle = () => settleNames(names, taking.remembered, taking.imports, signal);
    for (const { path, image, state } of await this.#names.run(settle, signal))
      entries.get(path)?.set({ name: image.name, digest: image.target.digest, state });
  }

  /** What they build upon may have come. */
  #tryDeltas(): void {
    this.#came += 1;
    for (const entry of this.#deltas)
      if (entry.state === 'failed' && !entry.gone) this.queue(entry.file.path);
    this.#deltas.clear();
  }

  /** `came`: as it was when the file was begun. */
  #tryLater(entry: FileEntry, came: number): void {
    const isDelta = entry.errors.some(wantsBase);
    // What it builds upon may have come after it was looked for
    if (isDelta && this.#came > came) {
      this.queue(entry.file.path);
      return;
    }
    const waitMs = waitBeforeRetry(entry, this.#options.taking.backOff);
    if (isDelta) this.#deltas.add(entry);
    if (waitMs === undefined) return;
    entry.retry = setTimeout(() => this.queue(entry.file.path), waitMs).unref();
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(3)}s`;
}
