/**
 * A bound on how fast bytes go out, shared by all who send them: a token bucket. In no stretch of time more passes than
 * the rate allows for it, and one burst: 50 ms of the rate. Bytes are those of HTTP bodies; what heads, TLS and TCP add
 * is not counted.
 *
 * Who sends with breaks gains nothing by them, and who sends in large pieces nothing either: flows take turns by the
 * bytes that each has sent (start-time fair queueing, Goyal 1996).
 */

/** Bytes a second (100 kbit/s). With less, transfers side by side would each get so little that they pass for stalled. */
export const leastRate = 12_500;
/** Bytes a second (1 Tbit/s): more is no limit. */
export const mostRate = 125_000_000_000;

const burstMs = 50;
/** Smaller bursts would make pieces of which there are too many. */
const leastBurst = 8 * 1024;

export interface RateClock {
  /** Milliseconds; never goes back. */
  now(): number;
  /** Calls back once after so many milliseconds; answers how to call it off. */
  later(ms: number, then: () => void): () => void;
}

const realClock: RateClock = {
  now: () => performance.now(),
  later: (ms, then) => {
    const timer = setTimeout(then, ms);
    return () => clearTimeout(timer);
  },
};

/** One of those who share the limit: a transfer, or all that goes to one node. */
export interface Flow {
  /** More than so many bytes are better taken in several pieces. */
  readonly pieceBytes: number;
  /** Whether there is any limit at this moment. */
  readonly limited: boolean;
  /**
   * Undefined: these bytes may go now; else they may when it resolves. With two at once, they go in order.
   * @throws the signal's reason
   */
  take(bytes: number, signal?: AbortSignal): Promise<void> | undefined;
  /** For how long it has waited here, in milliseconds: not whom the bytes are for was slow then. */
  readonly waitedMs: number;
  /** When it last waited here, by `performance.now()`; -Infinity: never. */
  readonly waitedAt: number;
}

interface Waiter {
  readonly flow: FairFlow;
  readonly bytes: number;
  /** In bytes of virtual time: the smallest goes next. */
  readonly start: number;
  readonly go: () => void;
}

export class RateLimit {
  readonly #clock: RateClock;
  #rate: number;
  #tokens: number;
  #filledAt: number;
  #virtual = 0;
  readonly #waiting: Waiter[] = [];
  #callOff: (() => void) | undefined;

  /** Bytes a second; `Infinity`: no limit, at no cost. */
  constructor(bytesPerSecond: number, clock: RateClock = realClock) {
    this.#clock = clock;
    this.#rate = bytesPerSecond;
    this.#tokens = this.#burst;
    this.#filledAt = clock.now();
  }

  get rate(): number {
    return this.#rate;
  }

  /** What waits goes on at the new one. */
  set rate(bytesPerSecond: number) {
    if (bytesPerSecond === this.#rate) return;
    this.#fill();
    // A bucket that had no bounds is not full of what it never held
    if (this.#rate === Number.POSITIVE_INFINITY) this.#tokens = 0;
    this.#rate = bytesPerSecond;
    this.#tokens = Math.min(this.#tokens, this.#burst);
    this.#pump();
  }

  get limited(): boolean {
    return this.#rate !== Number.POSITIVE_INFINITY;
  }

  /** Half a burst, so that one who comes late for a piece does not lose what the time was good for. */
  get pieceBytes(): number {
    return this.limited ? Math.floor(this.#burst / 2) : Number.POSITIVE_INFINITY;
  }

  flow(): Flow {
    return new FairFlow(this, this.#clock);
  }

  /** Of a flow of this limit: as its `take`. */
  ask(flow: FairFlow, bytes: number, signal?: AbortSignal): Promise<void> | undefined {
    if (!this.limited) return undefined;
    const start = Math.max(this.#virtual, flow.finish);
    flow.finish = start + bytes;
    if (this.#waiting.length === 0) {
      this.#fill();
      if (this.#allows(bytes)) {
        this.#spend(bytes, start);
        return undefined;
      }
    }
    return this.#wait({ flow, bytes, start }, signal);
  }

  async #wait(asked: Omit<Waiter, 'go'>, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { ...asked, go: resolve };
    const abort = () => {
      const at = this.#waiting.indexOf(waiter);
      if (at < 0) return;
      this.#waiting.splice(at, 1);
      reject(signal?.reason);
      this.#pump();
    };
    signal?.addEventListener('abort', abort, { once: true });
    this.#waiting.push(waiter);
    this.#pump();
    try {
      await promise;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Lets through whom it can, and comes back when the next one may go. */
  #pump(): void {
    this.#callOff?.();
    this.#callOff = undefined;
    this.#fill();
    for (;;) {
      const next = this.#next();
      if (next === undefined) return;
      if (!this.#allows(next.bytes)) {
        const lacking = Math.min(next.bytes, this.#burst) - this.#tokens;
        const ms = Math.max(1, Math.ceil((lacking / this.#rate) * 1000));
        this.#callOff = this.#clock.later(ms, () => this.#pump());
        return;
      }
      this.#waiting.splice(this.#waiting.indexOf(next), 1);
      this.#spend(next.bytes, next.start);
      next.go();
    }
  }

  #next(): Waiter | undefined {
    let first: Waiter | undefined;
    for (const waiter of this.#waiting) if (first === undefined || waiter.start < first.start) first = waiter;
    return first;
  }

  get #burst(): number {
    return Math.max(leastBurst, (this.#rate * burstMs) / 1000);
  }

  /** More than a burst goes with a full bucket, and leaves it in debt. */
  #allows(bytes: number): boolean {
    return !this.limited || this.#tokens >= Math.min(bytes, this.#burst);
  }

  #spend(bytes: number, start: number): void {
    if (this.limited) this.#tokens -= bytes;
    this.#virtual = start;
  }

  #fill(): void {
    const now = this.#clock.now();
    if (this.limited)
      this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#filledAt) / 1000) * this.#rate);
    this.#filledAt = now;
  }
}

class FairFlow implements Flow {
  readonly #limit: RateLimit;
  readonly #clock: RateClock;
  /** Where in virtual time its next bytes go at the earliest. */
  finish = 0;
  #waiting = 0;
  #since = 0;
  #waitedMs = 0;
  #lastAt = Number.NEGATIVE_INFINITY;

  constructor(limit: RateLimit, clock: RateClock) {
    this.#limit = limit;
    this.#clock = clock;
  }

  get pieceBytes(): number {
    return this.#limit.pieceBytes;
  }

  get limited(): boolean {
    return this.#limit.limited;
  }

  take(bytes: number, signal?: AbortSignal): Promise<void> | undefined {
    const waiting = this.#limit.ask(this, bytes, signal);
    return waiting === undefined ? undefined : this.#during(waiting);
  }

  get waitedMs(): number {
    return this.#waitedMs + (this.#waiting > 0 ? this.#clock.now() - this.#since : 0);
  }

  get waitedAt(): number {
    return this.#waiting > 0 ? this.#clock.now() : this.#lastAt;
  }

  async #during(waiting: Promise<void>): Promise<void> {
    if (this.#waiting === 0) this.#since = this.#clock.now();
    this.#waiting += 1;
    try {
      await waiting;
    } finally {
      this.#waiting -= 1;
      this.#lastAt = this.#clock.now();
      if (this.#waiting === 0) this.#waitedMs += this.#lastAt - this.#since;
    }
  }
}
