/**
 * Notices that a node neither takes bytes nor gives a sign of work for `limitMs`. Every sign winds the clock up again.
 * What did not move because this side held it back is no sign against the node. It is stopped by `using`.
 */
export class StallClock implements Disposable {
  readonly #timer: NodeJS.Timeout;
  #last = performance.now();

  /** `heldBackAt`: when this side last held it back, by `performance.now()`. */
  constructor(limitMs: number, onStall: () => void, heldBackAt?: () => number) {
    const check = () => {
      const last = Math.max(this.#last, heldBackAt?.() ?? Number.NEGATIVE_INFINITY);
      if (performance.now() - last >= limitMs) onStall();
    };
    this.#timer = setInterval(check, Math.max(10, Math.min(1_000, limitMs / 4)));
  }

  touch(): void {
    this.#last = performance.now();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
