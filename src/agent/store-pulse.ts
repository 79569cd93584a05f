import type { Store } from '../store/store.ts';

/** Far longer than a store that is merely busy takes to say its version, in milliseconds. */
const answersWithinMs = 10_000;

/**
 * Whether the store still answers. What an import waits for at a store that hangs is no sign of work: whoever waits for
 * the import is not to wait for ever.
 */
export class StorePulse {
  readonly #store: Pick<Store, 'info'>;
  readonly #withinMs: number;
  #askedAt: number | undefined;

  constructor(store: Pick<Store, 'info'>, withinMs = answersWithinMs) {
    this.#store = store;
    this.#withinMs = withinMs;
  }

  /** Asks it, unless it owes an answer; answers at once whether it has owed one for too long. */
  get beats(): boolean {
    this.#askedAt ??= this.#ask();
    return performance.now() - this.#askedAt < this.#withinMs;
  }

  /** What the import waits for, as long as that is a sign of work. */
  busyOf<Busy>({ busy }: { readonly busy?: Busy }): Busy | undefined {
    return busy !== undefined && this.beats ? busy : undefined;
  }

  #ask(): number {
    const answered = () => {
      this.#askedAt = undefined;
    };
    // That it refuses is an answer, too
    this.#store.info().then(answered, answered);
    return performance.now();
  }
}
