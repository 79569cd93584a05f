import { isTerminal } from '../agent-api/events.ts';
import type { ImageStatus } from '../agent-api/schemas.ts';
import type { HostedImport } from './imports.ts';

/** What became of an import, for the log and the metrics. */
export interface ImportSummary {
  readonly id: string;
  /** Address and program of the client. */
  readonly who: string;
  readonly outcome: 'ready' | 'partial' | 'failed' | 'left';
  readonly images: readonly ImageStatus[];
  readonly receivedBytes: number;
  /** What other agents sent at this one's asking; absent where none was asked. */
  readonly bytesFromPeers?: number;
  /** The same of registries. */
  readonly bytesFromRegistries?: number;
  readonly durationMs: number;
  /** Why it ended as a whole, where no image tells. */
  readonly error?: { readonly code: string; readonly message: string } | undefined;
}

/** An open import with what the registry must know of it: who uses it, since when nobody does, what it brought. */
export class ImportRecord {
  readonly import: HostedImport;
  readonly who: string;
  /** Of what is passed on for it, in bytes a second. */
  readonly maxRate: number | undefined;
  readonly #begun = performance.now();
  readonly #onEnded: (summary: ImportSummary) => void;
  #receivedBytes = 0;
  #passedOnFromPeers = 0;
  #bytesFromRegistries = 0;
  #users = 0;
  #lastUsed = performance.now();
  #told = false;

  constructor(
    hosted: HostedImport,
    { who, maxRate }: { readonly who: string; readonly maxRate: number | undefined },
    onEnded: (summary: ImportSummary) => void,
  ) {
    this.import = hosted;
    this.who = who;
    this.maxRate = maxRate;
    this.#onEnded = onEnded;
    void this.#watch();
  }

  get idleMs(): number {
    if (this.import.busy !== undefined) this.#lastUsed = performance.now();
    return this.#users > 0 ? 0 : performance.now() - this.#lastUsed;
  }

  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#users += 1;
    try {
      return await work();
    } finally {
      this.#users -= 1;
      this.#lastUsed = performance.now();
    }
  }

  received(bytes: number): void {
    this.#receivedBytes += bytes;
  }

  /** From a peer, and passed on while it came. */
  receivedFromPeer(bytes: number): void {
    this.#passedOnFromPeers += bytes;
  }

  receivedFromRegistry(bytes: number): void {
    this.#bytesFromRegistries += bytes;
  }

  async leave(options: { readonly discard: boolean }): Promise<void> {
    try {
      await this.import.leave(options);
    } finally {
      await this.#tell('left');
    }
  }

  async #watch(): Promise<void> {
    try {
      for await (const event of this.import.events()) {
        if (!isTerminal(event)) continue;
        if (event.type === 'done') await this.#tell(outcomeOf(event.images), event.images);
      }
    } catch {
      // Its readers are told; whoever leaves it makes the summary
    }
  }

  async #tell(outcome: ImportSummary['outcome'], images?: readonly ImageStatus[]): Promise<void> {
    if (this.#told) return;
    this.#told = true;
    const { id } = this.import;
    const bytesFromPeers = this.import.bytesFromPeers + this.#passedOnFromPeers;
    this.#onEnded({
      id,
      who: this.who,
      outcome,
      images:
        images ??
        (await this.import
          .state()
          .then((state) => state.images)
          .catch(() => [])),
      receivedBytes: this.#receivedBytes,
      ...(bytesFromPeers === 0 ? {} : { bytesFromPeers }),
      ...(this.#bytesFromRegistries === 0 ? {} : { bytesFromRegistries: this.#bytesFromRegistries }),
      durationMs: Math.round(performance.now() - this.#begun),
    });
  }
}

export function outcomeOf(images: readonly ImageStatus[]): 'ready' | 'partial' | 'failed' {
  const ready = images.filter(({ state }) => state === 'ready').length;
  return ready === images.length ? 'ready' : ready > 0 ? 'partial' : 'failed';
}
