import { randomUUID } from 'node:crypto';
import { availableParallelism } from 'node:os';
import type { ImportEvent } from '../agent-api/events.ts';
import type { ImportHandle, WantedBlob } from '../agent-api/import-node.ts';
import type {
  Declaration,
  FetchResult,
  ImageState,
  ImportState,
  More,
  PutResult,
} from '../agent-api/schemas.ts';
import { hasCode, ImgctlError, toImgctlError } from '../errors.ts';
import type { Digest } from '../image/digest.ts';
import type { PlatformChoice } from '../image/platform-choice.ts';
import type { Lease, Store } from '../store/store.ts';
import { Limiter } from '../streams/limiter.ts';
import { BlobIntake } from './blob-intake.ts';
import type { BlobWriters } from './blob-writers.ts';
import { type Bringing, bringImage, confirm, notEnoughDisk } from './bring-image.ts';
import { DeclaredImages } from './declared-images.ts';
import { EventHub } from './event-hub.ts';
import type { Peers } from './fetch/peers.ts';
import type { ImageEntry } from './image-entry.ts';
import { ImportContent } from './import-content.ts';
import { imageEvent, leftEvent } from './import-events.ts';
import { importRules } from './import-rules.ts';
import type { ImportRules } from './needs.ts';
import { type Work, WorkInProgress } from './work-in-progress.ts';

/**
 * transfer/ is the import itself: the state machine of one node's import (this file) and the loop that feeds it from
 * a source (feed.ts). It promises that an image gets its name only when everything of it is there, and that a blob may
 * come from anywhere, in any order, in part, twice. May import: errors, streams, image, agent-api and the store's port.
 */

export interface ImportOptions {
  readonly store: Store;
  /** Whose leases these are: the agent's name. */
  readonly owner: string;
  /** Shared by all imports into this store. */
  readonly writers: BlobWriters;
  /** Where blobs are fetched from; absent: from nowhere. */
  readonly peers?: Peers | undefined;
  /** Each name gets these too; and every blob of an image, its repository. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
}

export class Import implements ImportHandle {
  readonly id = randomUUID();
  readonly #options: ImportOptions;
  readonly #lease: Lease;
  readonly #content: ImportContent;
  readonly #rules: ImportRules;
  readonly #hub = new EventHub();
  readonly #images: DeclaredImages;
  readonly #intake: BlobIntake;
  readonly #turn = new Limiter(1);
  readonly #unpackLimiter = new Limiter(Math.min(4, availableParallelism()));
  readonly #unpacking = new Map<Digest, Promise<void>>();
  readonly #work = new WorkInProgress();
  readonly #stop = new AbortController();
  readonly #tasks = new Set<Promise<void>>();
  #opened: ImportState | undefined;
  #ended: Promise<void> | undefined;

  private constructor(options: ImportOptions, lease: Lease, rules: ImportRules, choice: PlatformChoice) {
    this.#options = options;
    this.#lease = lease;
    this.#content = new ImportContent(options.store, lease);
    this.#rules = rules;
    this.#images = new DeclaredImages(options.store, this.#content, rules, choice);
    this.#intake = new BlobIntake({
      ...options,
      lease,
      images: this.#images,
      content: this.#content,
      stop: this.#stop.signal,
      onProgress: (digest, offset, size) => this.#hub.emit({ type: 'blob', digest, offset, size }),
      onArrived: (digest, signal) => this.#blobArrived(digest, signal),
      committing: (work) => this.#work.during('fsync', work),
    });
  }

  /** @throws ImgctlError `reference_invalid`, `platform_invalid`, `archive_unnamed`, `store_full`, `store_unreachable`, … */
  static async open(options: ImportOptions, declaration: Declaration): Promise<Import> {
    const { store, owner, signal } = options;
    const { rules, choice } = await importRules(options, declaration);
    const opened = new Import(options, await store.openLease({ owner, signal }), rules, choice);
    try {
      opened.#opened = await opened.declare(declaration, signal);
      return opened;
    } catch (error) {
      await opened.leave();
      throw error;
    }
  }

  /** What `open` would find missing; nothing is begun, and nothing kept that was not kept before. */
  static async preview(options: ImportOptions, declaration: Declaration): Promise<ImportState> {
    const { store, owner, signal } = options;
    const { rules, choice } = await importRules(options, declaration);
    const lease = await store.openLease({ owner, signal });
    try {
      const preview = new Import(options, lease, rules, choice);
      await preview.#images.add(declaration, signal);
      await preview.#images.findUnchanged(preview.#images.entries, signal);
      return preview.#images.state('');
    } finally {
      // What a broken-off import left was adopted: it must stay for the next try
      await lease.leave();
    }
  }

  get opened(): ImportState {
    return this.#opened ?? this.#images.state(this.id);
  }

  /** All images are ready or failed, or the import was left. */
  get finished(): boolean {
    return this.#ended !== undefined;
  }

  /** Work under way that moves no bytes. */
  get busy(): Work | undefined {
    return this.#work.busy;
  }

  /** Bytes that peers sent. */
  get bytesFromPeers(): number {
    return this.#intake.bytesFromPeers;
  }

  get eventReaders(): number {
    return this.#hub.readers;
  }

  async state(): Promise<ImportState> {
    return this.#images.state(this.id);
  }

  async declare(more: More, signal?: AbortSignal): Promise<ImportState> {
    return this.#turn.run(async () => {
      this.#mustBeOpen();
      const added = await this.#images.add(more, signal);
      await this.#images.storeDocuments(signal);
      await this.#images.findUnchanged(added, signal);
      const state = this.#images.state(this.id);
      await this.#checkDisk(state, signal);
      this.#startResolved();
      return state;
    }, signal);
  }

  /**
   * Where a transfer of this blob would begin, in bytes; undefined where it is here, or the import does not know of it.
   * @throws ImgctlError `import_gone`
   */
  offsetOf(digest: Digest): number | undefined {
    if (this.#isBrought(digest)) return undefined;
    this.#mustBeOpen();
    if (this.#content.whole.has(digest)) return undefined;
    return this.#content.partial.get(digest) ?? (this.#images.needed(digest) === undefined ? undefined : 0);
  }

  async put(
    blob: { readonly digest: Digest; readonly offset: number; readonly size: number },
    body: () => AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<PutResult> {
    const bring = () => this.#intake.put(blob, body, signal);
    return this.#unlessBrought(blob.digest, bring, { received: 0, relay: [] });
  }

  async fetch(blob: WantedBlob, from: readonly string[], signal?: AbortSignal): Promise<FetchResult> {
    const bring = () => this.#intake.fetch(blob, from, signal);
    return this.#unlessBrought(blob.digest, bring, { received: 0, from: [] });
  }

  /** A blob whose digest is not known yet (a layer of a docker-save archive that is read front to back). */
  async ingest(size: number, chunks: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<Digest> {
    this.#mustBeOpen();
    return this.#intake.ingest(size, chunks, signal);
  }

  events(signal?: AbortSignal): AsyncIterable<ImportEvent> {
    return this.#hub.read(this.#images.entries.map(imageEvent), signal);
  }

  async leave({ discard = false }: { readonly discard?: boolean } = {}): Promise<void> {
    this.#ended ??= (async () => {
      this.#stop.abort(new ImgctlError('interrupted', 'the import was left'));
      await Promise.allSettled(this.#tasks);
      this.#content.forget();
      await (discard ? this.#lease.release() : this.#lease.leave());
      this.#hub.emit(leftEvent());
    })();
    await this.#ended;
  }

  /** Whoever still sends a part of images that are ready meanwhile was overtaken by another, and is to be content. */
  async #unlessBrought<T>(digest: Digest, bring: () => Promise<T>, nothing: T): Promise<T> {
    try {
      this.#mustBeOpen();
      return await bring();
    } catch (error) {
      if (hasCode(error, 'import_gone', 'lease_lost') && this.#isBrought(digest)) return nothing;
      throw error;
    }
  }

  #isBrought(digest: Digest): boolean {
    return (
      this.finished &&
      this.#images.needed(digest) !== undefined &&
      this.#images.entries.every(({ state }) => state === 'ready')
    );
  }

  #mustBeOpen(): void {
    if (!this.finished) return;
    throw new ImgctlError('import_gone', `the import ${this.id} has ended`, {
      hint: 'Declare it again: the answer says what is still missing.',
    });
  }

  async #checkDisk({ missing }: ImportState, signal?: AbortSignal): Promise<void> {
    const missingBytes = missing.reduce((sum, { size, offset }) => sum + size - offset, 0);
    if (missingBytes === 0) return;
    const { freeBytes } = await this.#options.store.info(signal);
    if (freeBytes !== undefined && missingBytes > freeBytes) throw notEnoughDisk(missingBytes, freeBytes);
  }

  async #blobArrived(digest: Digest, signal: AbortSignal): Promise<void> {
    await this.#turn.run(async () => {
      await this.#images.blobArrived(digest, this.#stop.signal);
      this.#startResolved();
    }, signal);
  }

  /** Starts every image whose graph is known; each then waits for its own blobs. */
  #startResolved(): void {
    for (const entry of this.#images.entries) {
      if (entry.started || entry.settled || entry.unresolved) continue;
      entry.started = true;
      const task = this.#bring(entry).finally(() => this.#tasks.delete(task));
      this.#tasks.add(task);
    }
    this.#endIfSettled();
  }

  async #bring(entry: ImageEntry): Promise<void> {
    const { graph, name } = entry;
    if (graph === undefined) return;
    try {
      const bringing = this.#bringing(entry);
      const image = { name, target: graph.target, pin: this.#rules.pin };
      if (!entry.unchanged) this.#set(entry, entry.isComplete(this.#content) ? 'unpacking' : 'receiving');
      const warnings = entry.unchanged
        ? await confirm(this.#options.store, graph, image, bringing)
        : await bringImage(name, graph, bringing);
      for (const message of warnings) this.#hub.emit({ type: 'warning', image: name, message });
      this.#set(entry, 'ready');
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#fail(entry, toImgctlError(error).within({ image: name }));
    }
    this.#endIfSettled();
  }

  #bringing(entry: ImageEntry): Bringing {
    return {
      store: this.#options.store,
      lease: this.#lease,
      content: this.#content,
      rules: this.#rules,
      unpacking: this.#unpacking,
      unpackLimiter: this.#unpackLimiter,
      signal: this.#stop.signal,
      onLayer: (_graph, digest, layers, of) =>
        this.#hub.emit({ type: 'unpack', image: entry.name, digest, layers, of }),
      onComplete: () => this.#set(entry, 'unpacking'),
      working: (kind, work) => this.#work.during(kind, work),
    };
  }

  #endIfSettled(): void {
    if (this.#images.size === 0 || !this.#images.settled || this.#ended !== undefined) return;
    const failed = this.#images.entries.some(({ state, graph }) => state === 'failed' && graph !== undefined);
    this.#ended = (async () => {
      try {
        // Of what failed, the next try wants what arrived
        await (failed ? this.#lease.leave() : this.#lease.release());
      } catch (error) {
        this.#hub.emit({
          type: 'warning',
          message: `the lease could not be ended, it expires by itself: ${toImgctlError(error).message}`,
        });
      }
      this.#content.forget();
      this.#hub.emit({ type: 'done', images: this.#images.entries.map((entry) => entry.status()) });
    })();
  }

  #set(entry: ImageEntry, state: ImageState): void {
    if (entry.state === state || entry.settled) return;
    entry.state = state;
    this.#hub.emit(imageEvent(entry));
  }

  #fail(entry: ImageEntry, error: ImgctlError): void {
    entry.fail(error);
    this.#hub.emit(imageEvent(entry));
  }
}
