/** Who goes on at this part of the pace that the others could have uses up no patience. */
const share = 0.5;
/** The pace that was once seen counts less and less: links are shared with transfers that come and go. */
const memoryMs = 10_000;

/**
 * How long one reader of a body may hold the others up. Who is somewhat slower than they are may be so for ever: feeding
 * him apart would cost more. Who stands still has used it up after twice `limitMs`, who is ten times slower a little
 * later. All times are durations in milliseconds.
 */
export class Patience {
  readonly #limitMs: number;
  #usedMs = 0;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /** Time in which nobody waited for this one; `aheadMs`: more came in it than would have come at the free pace. */
  flowed(ms: number, aheadMs = 0): void {
    this.#usedMs = Math.max(0, this.#usedMs - share * ms - aheadMs);
  }

  heldUp(ms: number): void {
    this.#usedMs += (1 - share) * ms;
  }

  /** For which it may be held up from now on; 0: no longer. */
  get leftMs(): number {
    return Math.max(0, this.#limitMs - this.#usedMs) / (1 - share);
  }
}

/**
 * The pace at which a body comes where nobody holds it up. It cannot be seen while somebody does, and what comes in
 * between comes in bursts: so it is measured over runs that are long enough, and forgotten slowly.
 */
export class FreePace {
  #bytesPerMs = 0;

  /** Bytes came in `ms` without being held up. Answers for how many milliseconds more than these they would do. */
  flowed(bytes: number, ms: number, run: 'long' | 'short'): number {
    if (run === 'long') this.#bytesPerMs = bytes / Math.max(1, ms);
    else this.#bytesPerMs += (bytes - this.#bytesPerMs * ms) / memoryMs;
    return this.#bytesPerMs > 0 ? Math.max(0, bytes / this.#bytesPerMs - ms) : 0;
  }

  heldUp(ms: number): void {
    this.#bytesPerMs *= Math.max(0, 1 - ms / memoryMs);
  }
}
