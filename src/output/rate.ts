/** How far back a rate looks, in milliseconds: long enough to be steady, short enough to show a stall. */
const windowMs = 6_000;

/** Samples closer than this, in milliseconds, are one: a node tells of every chunk. */
const sampleMs = 200;

/** Bytes a second over the last few seconds. Times are passed in, in milliseconds of any one clock. */
export class RateMeter {
  #samples: { readonly at: number; readonly bytes: number }[] = [];
  #latest = 0;

  add(bytes: number, at: number): void {
    // Fewer than before: the transfer began anew
    if (bytes < this.#latest) this.#samples = [];
    this.#latest = bytes;
    const last = this.#samples.at(-1);
    if (last === undefined || at - last.at >= sampleMs) this.#samples.push({ at, bytes });
    while (this.#samples.length > 2 && (this.#samples[1]?.at ?? at) < at - windowMs) this.#samples.shift();
  }

  /** 0 until two samples are apart. */
  at(now: number): number {
    const first = this.#samples[0];
    if (first === undefined) return 0;
    const from = Math.max(first.at, now - windowMs);
    const start = this.#samples.findLast(({ at }) => at <= from) ?? first;
    const elapsed = now - start.at;
    return elapsed < sampleMs ? 0 : ((this.#latest - start.bytes) * 1000) / elapsed;
  }
}
