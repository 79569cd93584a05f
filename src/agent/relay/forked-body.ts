import { type ImgctlError, toImgctlError } from '../../errors.ts';
import { abortable } from '../../streams/abortable.ts';
import { giveBackChunk, shareChunk } from '../../streams/chunk-pool.ts';
import { Branch, type BranchOptions } from './branch.ts';
import { FreePace } from './patience.ts';

/**
 * One body for two readers: this node's store and the next node. Each has what the other has taken before it, up to
 * `holdBytes`; chunks are shared, so that is all that is held, and each gives back its own share of a lent one
 * (streams/chunk-pool.ts). Who holds all that it may stops the body, and so slows the other down, as long as its patience
 * lasts; then it is dropped, and the other goes on alone.
 *
 * With one reader left there is nobody to be slowed: the body comes as fast as that one takes it. With none it is read
 * and thrown away, so that whoever sends it does not take this node for a stalled one.
 */
export class ForkedBody {
  readonly #branches = new Set<Branch>();
  readonly #holdBytes: () => number;
  readonly #pace = new FreePace();
  /** Until when, and how much of what came, patience was reckoned. */
  #mark = performance.now();
  #countedBytes = 0;
  #received = 0;
  #changed: (() => void) | undefined;

  constructor(holdBytes: () => number) {
    this.#holdBytes = holdBytes;
  }

  /** Bytes that came. */
  get received(): number {
    return this.#received;
  }

  branch(options: BranchOptions): Branch {
    const branch = new Branch(options, (left) => {
      if (left) this.#branches.delete(branch);
      this.#changed?.();
    });
    this.#branches.add(branch);
    return branch;
  }

  /** Brings the bytes until they end, or fail, or `signal` aborts: the branches hear of it. Never rejects. */
  async pour(source: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
    const wake = () => this.#changed?.();
    signal.addEventListener('abort', wake, { once: true });
    let failure: ImgctlError | undefined;
    try {
      for await (const chunk of abortable(source, signal)) {
        this.#received += chunk.byteLength;
        for (const branch of this.#branches) branch.give(shareChunk(chunk));
        giveBackChunk(chunk);
        if (this.#fullest() >= this.#holdBytes()) await this.#room(signal);
      }
    } catch (error) {
      failure = toImgctlError(error);
    } finally {
      signal.removeEventListener('abort', wake);
      for (const branch of this.#branches) branch.end(failure);
    }
  }

  /** Waits until nobody's share is full. */
  async #room(signal: AbortSignal): Promise<void> {
    this.#flowed();
    while (!signal.aborted) {
      const hold = this.#holdBytes();
      const full = new Set([...this.#branches].filter(({ queued }) => queued >= hold));
      if (full.size === 0) return;
      const slowed = [...this.#branches].some((branch) => branch.waits);
      await this.#change(slowed ? Math.min(...[...full].map(({ patience }) => patience.leftMs)) : undefined);
      const ms = this.#sinceMark();
      if (slowed) this.#pace.heldUp(ms);
      for (const branch of this.#branches) {
        const excuseMs = Math.min(ms, branch.excuseMs());
        if (slowed && full.has(branch)) branch.patience.heldUp(ms - excuseMs);
        branch.patience.flowed(slowed && full.has(branch) ? excuseMs : ms);
      }
      for (const branch of full) if (branch.patience.leftMs <= 0) branch.drop();
    }
  }

  #flowed(): void {
    const bytes = this.#received - this.#countedBytes;
    this.#countedBytes = this.#received;
    const ms = this.#sinceMark();
    const aheadMs = this.#pace.flowed(bytes, ms, bytes >= this.#holdBytes() / 2 ? 'long' : 'short');
    for (const branch of this.#branches) {
      branch.excuseMs();
      branch.patience.flowed(ms, aheadMs);
    }
  }

  #sinceMark(): number {
    const before = this.#mark;
    this.#mark = performance.now();
    return this.#mark - before;
  }

  #fullest(): number {
    let most = 0;
    for (const { queued } of this.#branches) most = Math.max(most, queued);
    return most;
  }

  async #change(withinMs: number | undefined): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#changed = resolve;
      if (withinMs !== undefined) timer = setTimeout(resolve, Math.ceil(withinMs));
    });
    this.#changed = undefined;
    clearTimeout(timer);
  }
}
