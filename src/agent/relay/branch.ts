import type { ImgctlError } from '../../errors.ts';
import { giveBackChunk } from '../../streams/chunk-pool.ts';
import { Patience } from './patience.ts';

export interface BranchOptions {
  /** For which it may hold the others up, in milliseconds. */
  readonly patienceMs: number;
  /** What its reader hears when it has held them up for too long. */
  readonly tooSlow: () => ImgctlError;
  readonly onTaken?: (() => void) | undefined;
  /** For how long in all its reader was held back by this node itself, in milliseconds: that uses up no patience. */
  readonly heldBackMs?: (() => number) | undefined;
}

/** One reader's share of a body: what came, and was not taken yet. It is read once. */
export class Branch implements AsyncIterable<Uint8Array> {
  readonly patience: Patience;
  readonly #options: BranchOptions;
  /** Told of whatever may let the body go on; `left`: nothing more is to be given. */
  readonly #onChange: (left: boolean) => void;
  readonly #chunks: Uint8Array[] = [];
  #queued = 0;
  readonly #dropped = new AbortController();
  #begun = false;
  #ended = false;
  #failure: ImgctlError | undefined;
  #heldBackMs = 0;
  #wake: (() => void) | undefined;

  constructor(options: BranchOptions, onChange: (left: boolean) => void) {
    this.#options = options;
    this.#onChange = onChange;
    this.patience = new Patience(options.patienceMs);
  }

  /** Bytes that are held for it. */
  get queued(): number {
    return this.#queued;
  }

  /** Whether its reader ever asked. */
  get begun(): boolean {
    return this.#begun;
  }

  /** Aborts when it is dropped: its reader may not be listening then. */
  get dropped(): AbortSignal {
    return this.#dropped.signal;
  }

  /** Whether its reader has taken everything, and waits for more. */
  get waits(): boolean {
    return this.#wake !== undefined;
  }

  /** For how long its reader was held back by this node itself since this was last asked, in milliseconds. */
  excuseMs(): number {
    const before = this.#heldBackMs;
    this.#heldBackMs = this.#options.heldBackMs?.() ?? 0;
    return this.#heldBackMs - before;
  }

  give(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#queued += chunk.byteLength;
    this.#wake?.();
  }

  /** No more comes; what did is still there to be taken. */
  end(failure?: ImgctlError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#failure = failure;
    this.#leave();
  }

  /** Its patience is used up: what it has not taken is gone. */
  drop(): void {
    const reason = this.#options.tooSlow();
    this.#forget();
    this.end(reason);
    this.#dropped.abort(reason);
  }

  /** Nobody reads it any more. */
  close(): void {
    this.#forget();
    this.end();
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return {
      next: () => this.#next(),
      return: async () => {
        this.close();
        return { done: true, value: undefined };
      },
    };
  }

  async #next(): Promise<IteratorResult<Uint8Array>> {
    this.#begun = true;
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#queued -= chunk.byteLength;
        this.#options.onTaken?.();
        this.#onChange(false);
        return { done: false, value: chunk };
      }
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#ended) return { done: true, value: undefined };
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.#onChange(false);
      });
      this.#wake = undefined;
    }
  }

  #forget(): void {
    for (const chunk of this.#chunks.splice(0)) giveBackChunk(chunk);
    this.#queued = 0;
  }

  #leave(): void {
    this.#onChange(true);
    this.#wake?.();
  }
}
