/**
 * Notices that a node neither takes bytes nor gives a sign of work for `limitMs`. Every sign winds the clock up again.
 * It is stopped by `using`.
 */
export class StallClock implements Disposable {
  readonly #timer: NodeJS.Timeout;
  #last = performance.now();

  constructor(limitMs: number, onStall: () => void) {
    const check = () => {
      if (performance.now() - this.#last >= limitMs) onStall();
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
