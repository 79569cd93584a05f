import { shareFairly } from './fair-shares.ts';
import { type Running, source } from './running.ts';
import type { Scenario } from './scenario.ts';

/**
 * The links of nodes and of the source, and what flows over them: fluids that share each link fairly. Links go by their
 * number too: downlinks come first, then uplinks, then the source's.
 */
export class Network {
  readonly #nodes: number;
  readonly #bufferBytes: number;
  readonly #capacities: Float64Array;
  readonly #flows = new Set<Running>();
  #spare: Float64Array = new Float64Array();
  #changed = false;

  constructor({ nodes, sourceUp, model }: Scenario) {
    this.#nodes = nodes.length;
    this.#bufferBytes = model.bufferBytes;
    this.#capacities = Float64Array.from([
      ...nodes.map(({ down }) => down * model.payload),
      ...nodes.map(({ up }) => up * model.payload),
      sourceUp * model.payload,
    ]);
  }

  /** Out of one, into the next. */
  linksOf(feeder: number, route: readonly number[]): number[] {
    const links: number[] = [];
    let before = feeder;
    for (const node of route) {
      links.push(before === source ? 2 * this.#nodes : this.#nodes + before, node);
      before = node;
    }
    return links;
  }

  get isStill(): boolean {
    return this.#flows.size === 0;
  }

  add(flow: Running): void {
    this.#flows.add(flow);
    this.#changed = true;
  }

  remove(flow: Running): void {
    if (this.#flows.delete(flow)) this.#changed = true;
  }

  /** It goes no further than the first so many nodes. */
  shorten(flow: Running, nodes: number): void {
    flow.route = flow.route.slice(0, nodes);
    flow.links = flow.links.slice(0, 2 * nodes);
    this.#changed = true;
  }

  /** Who sends to it waits, and who waits for it too. */
  shut(node: number): void {
    this.#capacities[node] = 0;
    this.#capacities[this.#nodes + node] = 0;
    this.#changed = true;
  }

  /** When the first of what flows will be there. */
  nextEnd(now: number): number {
    if (this.#changed) this.#spare = shareFairly([...this.#flows], this.#capacities);
    this.#changed = false;
    let next = Number.POSITIVE_INFINITY;
    for (const flow of this.#flows)
      if (flow.rate > 0) next = Math.min(next, now + (flow.size - flow.from - flow.sent) / flow.rate);
    return next;
  }

  /** What flows in so many milliseconds, and by how many bytes. */
  *move(passed: number): Generator<readonly [flow: Running, bytes: number]> {
    for (const flow of this.#flows) {
      this.#fillBuffers(flow, passed);
      const before = flow.sent;
      flow.sent = Math.min(flow.size - flow.from, flow.sent + flow.rate * passed);
      yield [flow, flow.sent - before];
    }
  }

  #fillBuffers(flow: Running, passed: number): void {
    let spare = flow.heldAt < 2 ? -flow.rate : Number.POSITIVE_INFINITY;
    for (let i = 0; i < flow.heldAt; i += 1) spare = Math.min(spare, this.#spare[flow.links[i] ?? 0] ?? 0);
    flow.ahead = Math.max(0, Math.min(this.#bufferBytes, flow.ahead + spare * passed));
  }
}
