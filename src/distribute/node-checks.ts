import type { DistributeEvent, NodeCheck, NodeOutcome } from './outcome.ts';

/** Nodes that have not answered by then are told of when they do: nobody waits for them. In milliseconds. */
const longestMs = 10_000;

/**
 * What was found out about all nodes before any byte moved, told once: when every node was found fit or unfit, or
 * after a while. It holds nobody up: a node that is fit goes on at once.
 */
export class NodeChecks implements Disposable {
  readonly #nodes: readonly string[];
  readonly #checked = new Map<string, NodeCheck>();
  readonly #emit: (event: DistributeEvent) => void;
  readonly #timer: NodeJS.Timeout;
  #told = false;

  constructor(nodes: readonly string[], emit: (event: DistributeEvent) => void, withinMs = longestMs) {
    this.#nodes = nodes;
    this.#emit = emit;
    this.#timer = setTimeout(() => this.#tell(), withinMs);
  }

  /** The node can take the images. */
  pass(node: string): void {
    this.#settle({ node, ok: true });
  }

  /** Of a node that did not pass, its outcome is why. */
  ended({ node, status, error }: Pick<NodeOutcome, 'node' | 'status' | 'error'>): void {
    this.#settle(error === undefined ? { node, ok: true } : { node, ok: false, status, error });
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #settle(check: NodeCheck): void {
    if (this.#checked.has(check.node)) return;
    this.#checked.set(check.node, check);
    if (this.#checked.size === this.#nodes.length) this.#tell();
  }

  /** In the order of the nodes, whoever answered first. */
  #tell(): void {
    clearTimeout(this.#timer);
    if (this.#told) return;
    this.#told = true;
    this.#emit({
      type: 'checked',
      nodes: this.#nodes.flatMap((node) => this.#checked.get(node) ?? []),
      waiting: this.#nodes.filter((node) => !this.#checked.has(node)),
    });
  }
}
