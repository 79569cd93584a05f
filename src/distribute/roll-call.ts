/** A better plan is worth waiting so long for nodes that have not answered yet, in milliseconds. */
const waitMs = 1_000;

export interface RollCallOptions {
  readonly nodes: readonly string[];
  /** Whether those that have not answered are waited for: if not, it is over before it begins. */
  readonly waits: boolean;
  /** At each answer, once it is over. */
  readonly onAnswer: () => void;
}

/** Which nodes have come, or will not: the first plan is made when that is known of all, or after a while. */
export class RollCall implements Disposable {
  readonly #options: RollCallOptions;
  readonly #answered = new Set<string>();
  #isOver: boolean;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RollCallOptions) {
    this.#options = options;
    this.#isOver = !options.waits;
  }

  /** Nobody is waited for any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  get isComplete(): boolean {
    return this.#options.nodes.every((name) => this.#answered.has(name));
  }

  /** The first that answers has the others waited for. */
  answered(name: string): void {
    this.#answered.add(name);
    if (this.#isOver || this.isComplete) this.#end();
    else this.#timer ??= setTimeout(() => this.#end(), waitMs);
  }

  #end(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#options.onAnswer();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
