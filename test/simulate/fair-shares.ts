/** A stream of bytes over several links at once, all of them at the same rate. */
export interface Flow {
  readonly links: readonly number[];
  rate: number;
  /** The position in `links` of the first that is full: there it is held back. */
  heldAt: number;
}

/**
 * Gives each flow its max-min fair rate: no flow can have more but at the cost of one that has less. That is what TCP
 * streams come to, near enough, and with bounded buffers between, a chain of them is as quick as its slowest link.
 * Answers what is left of each link.
 */
export function shareFairly(flows: readonly Flow[], capacities: Float64Array): Float64Array {
  const left = Float64Array.from(capacities);
  const counts = new Int32Array(capacities.length);
  for (const { links } of flows) for (const link of links) counts[link] = (counts[link] ?? 0) + 1;
  const starts = new Int32Array(capacities.length + 1);
  for (let i = 0; i < capacities.length; i += 1) starts[i + 1] = (starts[i] ?? 0) + (counts[i] ?? 0);
  const users = new Int32Array(starts[capacities.length] ?? 0);
  const filled = starts.slice();
  flows.forEach((flow, i) => {
    flow.rate = -1;
    for (const link of flow.links) {
      const at = filled[link] ?? 0;
      users[at] = i;
      filled[link] = at + 1;
    }
  });
  const heap = new LinkHeap(capacities.length);
  for (let link = 0; link < counts.length; link += 1)
    if ((counts[link] ?? 0) > 0) heap.push((left[link] ?? 0) / (counts[link] ?? 1), link);
  for (let link = heap.pop(); link !== undefined; link = heap.pop()) {
    const count = counts[link] ?? 0;
    if (count === 0) continue;
    const share = Math.max(0, (left[link] ?? 0) / count);
    // Its share grew since it was put here: it is not the tightest yet
    if (share > heap.poppedShare * (1 + 1e-9) + 1e-12) {
      heap.push(share, link);
      continue;
    }
    for (let at = starts[link] ?? 0; at < (starts[link + 1] ?? 0); at += 1) {
      const flow = flows[users[at] ?? 0];
      if (flow === undefined || flow.rate >= 0) continue;
      flow.rate = share;
      for (const other of flow.links) {
        left[other] = (left[other] ?? 0) - share;
        counts[other] = (counts[other] ?? 0) - 1;
      }
    }
  }
  for (const flow of flows) {
    const first = flow.links.findIndex((link) => (left[link] ?? 0) <= (capacities[link] ?? 0) * 1e-6);
    flow.heldAt = Math.max(0, first);
  }
  return left;
}

/** A binary heap of links by their share. Shares only grow, so an entry that is too low is put back when it comes up. */
class LinkHeap {
  poppedShare = 0;
  readonly #shares: Float64Array;
  readonly #links: Int32Array;
  #size = 0;

  constructor(links: number) {
    this.#shares = new Float64Array(links + 1);
    this.#links = new Int32Array(links + 1);
  }

  push(share: number, link: number): void {
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((this.#shares[parent] as number) <= share) break;
      this.#shares[at] = this.#shares[parent] as number;
      this.#links[at] = this.#links[parent] as number;
      at = parent;
    }
    this.#shares[at] = share;
    this.#links[at] = link;
  }

  pop(): number | undefined {
    if (this.#size === 0) return undefined;
    const link = this.#links[0] as number;
    this.poppedShare = this.#shares[0] as number;
    this.#size -= 1;
    const share = this.#shares[this.#size] as number;
    const moved = this.#links[this.#size] as number;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && (this.#shares[child + 1] as number) < (this.#shares[child] as number))
        child += 1;
      if ((this.#shares[child] as number) >= share) break;
      this.#shares[at] = this.#shares[child] as number;
      this.#links[at] = this.#links[child] as number;
      at = child;
    }
    this.#shares[at] = share;
    this.#links[at] = moved;
    return link;
  }
}
