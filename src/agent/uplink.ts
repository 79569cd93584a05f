import { type Flow, RateLimit } from '../streams/rate-limit.ts';

/** What an agent sends to other nodes goes through one limit, whoever asked for it. */
export class Uplink {
  readonly #most: number;
  readonly #limit: RateLimit;
  /** Of those who send at this moment. */
  readonly #wanted = new Set<{ readonly rate: number }>();

  /** Bytes a second, never more; absent: only what those who use it ask for. */
  constructor(maxRate: number = Number.POSITIVE_INFINITY) {
    this.#most = maxRate;
    this.#limit = new RateLimit(maxRate);
  }

  /** Bytes a second at this moment: the lowest of all that was asked for by those who send now. */
  get rate(): number {
    return this.#limit.rate;
  }

  /** For one transfer, until it is disposed of. As long as it runs, all together stay below its `maxRate`. */
  use(maxRate?: number): UplinkUse {
    const flow = this.#limit.flow();
    if (maxRate === undefined) return { flow, [Symbol.dispose]: () => {} };
    const wanted = { rate: maxRate };
    this.#wanted.add(wanted);
    this.#adjust();
    return {
      flow,
      [Symbol.dispose]: () => {
        this.#wanted.delete(wanted);
        this.#adjust();
      },
    };
  }

  #adjust(): void {
    let rate = this.#most;
    for (const wanted of this.#wanted) rate = Math.min(rate, wanted.rate);
    this.#limit.rate = rate;
  }
}

export interface UplinkUse extends Disposable {
  readonly flow: Flow;
}
