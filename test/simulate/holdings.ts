import type { Digest } from '../../src/image/digest.ts';
import type { Scenario } from './scenario.ts';

/** What each node got, by its number, and when it had everything. */
export class Holdings {
  /** Of those that died, and have not everything yet, undefined. */
  readonly doneMs: (number | undefined)[];
  readonly #nodes: Scenario['nodes'];
  readonly #whole: readonly Set<Digest>[];
  readonly #offsets = new Map<string, number>();
  #unfinished: number;
  #endedMs = 0;

  constructor({ nodes }: Scenario) {
    this.#nodes = nodes;
    this.#whole = nodes.map(() => new Set());
    this.doneMs = nodes.map(({ lacks }) => (lacks.length === 0 ? 0 : undefined));
    this.#unfinished = nodes.filter(({ lacks }) => lacks.length > 0).length;
  }

  /** Every node that lives has everything. */
  get isComplete(): boolean {
    return this.#unfinished === 0;
  }

  /** Until that was so; infinite while it is not. */
  get timeMs(): number {
    return this.isComplete ? this.#endedMs : Number.POSITIVE_INFINITY;
  }

  /** How much a node has of what it lacks. */
  offsetOf(i: number, digest: Digest): number {
    return (
      this.#offsets.get(`${i} ${digest}`) ??
      this.#nodes[i]?.lacks.find((blob) => blob.digest === digest)?.offset ??
      0
    );
  }

  /** It got so far, and no further. */
  keep(i: number, digest: Digest, offset: number): void {
    this.#offsets.set(`${i} ${digest}`, offset);
  }

  received(i: number, digest: Digest, now: number): void {
    const whole = this.#whole[i];
    if (whole === undefined || whole.has(digest)) return;
    whole.add(digest);
    this.#offsets.delete(`${i} ${digest}`);
    if (whole.size !== this.#nodes[i]?.lacks.length) return;
    this.doneMs[i] = now;
    this.#finish(now);
  }

  died(i: number, now: number): void {
    if (this.doneMs[i] === undefined) this.#finish(now);
    this.doneMs[i] = undefined;
  }

  #finish(now: number): void {
    this.#unfinished -= 1;
    this.#endedMs = now;
  }
}
