import type { NodeState } from './plan-state.ts';

/** Pairs of nodes of which the one did not reach the other. */
export class BadLinks {
  readonly #from = new Map<NodeState, Set<NodeState>>();

  add(from: NodeState, to: NodeState): void {
    const known = this.#from.get(from);
    if (known === undefined) this.#from.set(from, new Set([to]));
    else known.add(to);
  }

  has(from: NodeState | undefined, to: NodeState): boolean {
    return from !== undefined && this.#from.get(from)?.has(to) === true;
  }

  /** How many it did not reach. */
  countFrom(from: NodeState): number {
    return this.#from.get(from)?.size ?? 0;
  }

  /** Nothing is held against a node that is told of anew. */
  forgive(node: NodeState): void {
    this.#from.delete(node);
    for (const known of this.#from.values()) known.delete(node);
  }
}
