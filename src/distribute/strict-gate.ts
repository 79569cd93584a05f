import { ImgctlError } from '../errors.ts';

/** With --strict: nobody is sent anything before every node was found fit, and nobody at all when one was not. */
export class StrictGate {
  readonly #expected: number;
  readonly #passed = new Set<string>();
  readonly #unfit: string[] = [];
  readonly #decision = Promise.withResolvers<void>();

  constructor(nodes: number) {
    this.#expected = nodes;
    this.#decision.promise.catch(() => undefined);
  }

  /** The node is fit; resolves when all are. @throws ImgctlError `held_back` when one is not */
  async pass(node: string): Promise<void> {
    this.#passed.add(node);
    if (this.#passed.size >= this.#expected) this.#decision.resolve();
    await this.#decision.promise;
  }

  /** The node is not fit. After the decision this changes nothing. */
  refuse(node: string): void {
    if (this.#passed.has(node)) return;
    this.#unfit.push(node);
    this.#decision.reject(
      new ImgctlError(
        'held_back',
        `nothing was sent, because ${this.#unfit.join(', ')} cannot take the images`,
        {
          hint: 'See the error of that node. Without --strict the other nodes get the images all the same.',
        },
      ),
    );
  }
}
