import { randomUUID } from 'node:crypto';
import type { Descriptor } from '../../image/descriptor.ts';
import { BlobFiles } from './blob-files.ts';
import { IngestFiles } from './ingest-files.ts';
import { LayoutIndex } from './layout-index.ts';
import { LayoutLock } from './layout-lock.ts';
import type { LayoutPaths } from './layout-paths.ts';
import { LeaseFiles } from './lease-files.ts';
import { Owners } from './owners.ts';
import { Reachable } from './reachable.ts';
import { ofStore } from './store-errors.ts';
import { sweep } from './sweep.ts';
import { Turns } from './turns.ts';

/** The directory, open: its parts, and the sections that change more than one of them. */
export class Layout implements AsyncDisposable {
  readonly paths: LayoutPaths;
  readonly owners: Owners;
  readonly blobs: BlobFiles;
  readonly ingests: IngestFiles;
  readonly leases: LeaseFiles;
  readonly reachable: Reachable;
  readonly turns = new Turns();
  /** IDs of the leases that this process holds now. */
  readonly held = new Set<string>();
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly #lock: LayoutLock;

  private constructor(paths: LayoutPaths, lock: LayoutLock, now: () => number) {
    this.paths = paths;
    this.now = now;
    this.#lock = lock;
    this.owners = new Owners(paths.owners);
    this.blobs = new BlobFiles(paths);
    this.ingests = new IngestFiles(paths.ingest, this.owners);
    this.leases = new LeaseFiles(paths);
    this.reachable = new Reachable(this.blobs);
  }

  /** The folders exist; `prepare` runs under the lock before anything else. */
  static async open(paths: LayoutPaths, now: () => number, prepare: () => Promise<void>): Promise<Layout> {
    const lock = await ofStore(paths.directory, LayoutLock.open(paths.lock));
    try {
      const opening = lock.exclusively(async () => {
        await prepare();
        const layout = new Layout(paths, lock, now);
        await sweep(layout);
        return layout;
      });
      return await ofStore(paths.directory, opening);
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
  }

  /** Nobody else, in any process, changes names or leases, or removes anything, meanwhile. Sections never nest. */
  exclusively<T>(section: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return ofStore(this.paths.directory, this.#lock.exclusively(section, signal));
  }

  /** Removes what has expired, then what it alone kept. */
  sweep(): Promise<void> {
    return this.exclusively(() => sweep(this));
  }

  /**
   * Changes the names; `change` answers what they no longer name, or undefined where it changed nothing.
   * What they alone kept goes: it is written down as a lease that has ended first, so that a crash in between leaves
   * nothing behind.
   */
  rename(
    change: (index: LayoutIndex) => Promise<readonly Descriptor[] | undefined>,
    signal?: AbortSignal,
  ): Promise<boolean> {
    return this.exclusively(async () => {
      const index = await LayoutIndex.load(this.paths);
      const dropped = await change(index);
      if (dropped === undefined) return false;
      if (dropped.length > 0) {
        const blobs = await this.reachable.from(dropped);
        await this.leases.save({ id: randomUUID(), owner: '', holder: null, expiresAt: 0, blobs });
      }
      await index.save(this.paths);
      if (dropped.length > 0) await sweep(this);
      return true;
    }, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.owners.close();
    this.#lock[Symbol.dispose]();
  }
}
