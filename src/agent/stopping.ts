import { ImgctlError } from '../errors.ts';

/**
 * The agent's way out, in two steps: from `begin` on nothing new is taken while what is under way goes on; `goodbye`
 * then tells whoever still listens.
 */
export class Stopping {
  readonly #goodbye = new AbortController();
  #begun = false;
  #transfers = 0;

  get begun(): boolean {
    return this.#begun;
  }

  /** Transfers under way. */
  get transfers(): number {
    return this.#transfers;
  }

  get goodbye(): AbortSignal {
    return this.#goodbye.signal;
  }

  begin(): void {
    this.#begun = true;
  }

  sayGoodbye(): void {
    this.#goodbye.abort(agentStops());
  }

  /** @throws ImgctlError `interrupted` when the agent is on its way out */
  refuseNew(): void {
    if (this.#begun) throw agentStops();
  }

  /** Runs what the agent lets finish before it stops. @throws ImgctlError `interrupted` */
  async transfer<T>(work: () => Promise<T>): Promise<T> {
    this.refuseNew();
    this.#transfers += 1;
    try {
      return await work();
    } finally {
      this.#transfers -= 1;
    }
  }
}

export function agentStops(): ImgctlError {
  return new ImgctlError('interrupted', 'the agent is stopping', {
    hint: 'Run the same command again once it is back: what arrived is kept for an hour.',
  });
}
