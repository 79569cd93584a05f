import type { ImportEvent } from '../agent-api/events.ts';
import type { ImportHandle } from '../agent-api/import-node.ts';
import type { Declaration } from '../agent-api/schemas.ts';
import { ImgctlError } from '../errors.ts';
import type { Digest } from '../image/digest.ts';
import { ImportRecord, type ImportSummary } from './import-record.ts';

/** The imports that this agent has open, by id. One that nobody uses is left: what arrived stays for the next try. */

export interface HostedImport extends ImportHandle {
  /** Work under way that moves no bytes. */
  readonly busy: Extract<ImportEvent, { type: 'alive' }>['busy'];
  /** What peers sent for it. */
  readonly bytesFromPeers: number;
  /** Every image is ready or failed, or the import was left. */
  readonly finished: boolean;
  /** Where a transfer of this blob would begin; undefined where it is here, or nobody asked for it. @throws ImgctlError `import_gone` */
  offsetOf(digest: Digest): number | undefined;
}

export interface ImportRegistryOptions {
  readonly open: (declaration: Declaration, signal: AbortSignal) => Promise<HostedImport>;
  /** Imports that are open at once; more are refused with `overloaded`. */
  readonly max: number;
  /** An import without a request, an event reader or an unpack for so long is left. Milliseconds. */
  readonly idleMs: number;
  readonly onEnded: (summary: ImportSummary) => void;
}

/** Long enough for small imports to end, short enough not to leave places empty. Milliseconds. */
const comeAgainMs = 5_000;

export class ImportRegistry {
  readonly #options: ImportRegistryOptions;
  readonly #records = new Map<string, ImportRecord>();
  readonly #sweeper: NodeJS.Timeout;
  /** Being opened, and archives that come in one request. */
  #places = 0;

  constructor(options: ImportRegistryOptions) {
    this.#options = options;
    this.#sweeper = setInterval(() => this.#sweep(), Math.max(10, options.idleMs / 20)).unref();
  }

  /** Imports that are not finished. */
  get active(): number {
    return [...this.#records.values()].filter((record) => !record.import.finished).length + this.#places;
  }

  /** Whether any works on what it has, so that breaking it off would lose work. */
  get busy(): boolean {
    return [...this.#records.values()].some(
      ({ import: { busy, finished } }) => !finished && busy !== undefined,
    );
  }

  /** @throws ImgctlError `overloaded`, and those of the import itself */
  async open(declaration: Declaration, who: string, signal: AbortSignal): Promise<HostedImport> {
    using _ = this.takePlace();
    const opened = await this.#options.open(declaration, signal);
    const record = new ImportRecord(opened, { who, maxRate: declaration.maxRate }, this.#options.onEnded);
    this.#records.set(opened.id, record);
    return opened;
  }

  /** For an import that is not kept here, until it is disposed of. @throws ImgctlError `overloaded` */
  takePlace(): Disposable {
    if (this.active >= this.#options.max) {
      throw new ImgctlError('overloaded', `this agent has ${this.#options.max} imports open already`, {
        hint: 'Try again when some of them have ended; those that were abandoned end after 10 minutes.',
        context: { retryAfterMs: comeAgainMs },
      });
    }
    this.#places += 1;
    return {
      [Symbol.dispose]: () => {
        this.#places -= 1;
      },
    };
  }

  /** Calls `work` with the import, which is not idle meanwhile. @throws ImgctlError `import_gone` */
  async use<T>(id: string, work: (record: ImportRecord) => Promise<T>): Promise<T> {
    const record = this.#records.get(id);
    if (record === undefined) throw importGone();
    return record.during(() => work(record));
  }

  /** @throws ImgctlError `import_gone` */
  async leave(id: string, options: { readonly discard: boolean }): Promise<void> {
    const record = this.#records.get(id);
    if (record === undefined) throw importGone();
    this.#records.delete(id);
    await record.leave(options);
  }

  /** The agent stops. Whatever goes wrong with one import, the others are left too. */
  async leaveAll(): Promise<void> {
    clearInterval(this.#sweeper);
    const records = [...this.#records.values()];
    this.#records.clear();
    await Promise.allSettled(records.map((record) => record.leave({ discard: false })));
  }

  #sweep(): void {
    for (const [id, record] of this.#records) {
      const limitMs = record.import.finished ? this.#options.idleMs / 10 : this.#options.idleMs;
      if (record.idleMs < limitMs) continue;
      this.#records.delete(id);
      // Its lease expires by itself where the store does not answer
      record.leave({ discard: false }).catch(() => {});
    }
  }
}

function importGone(): ImgctlError {
  return new ImgctlError(
    'import_gone',
    'this agent has no such import: it restarted, or the import was left',
    {
      hint: 'Declare it again: the answer says what is still missing.',
    },
  );
}
