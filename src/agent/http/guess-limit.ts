import { ImgctlError } from '../../errors.ts';
import { networkOf } from '../network-of.ts';

/** More than people mistype in a minute; far fewer than guessing needs. */
const guessesPerWindow = 60;
const windowMs = 60_000;
/** A stranger with many addresses must not fill the memory. */
const maxNetworks = 10_000;

interface Window {
  readonly endsAt: number;
  guesses: number;
}

/**
 * Wrong tokens, counted by who sent them. One that has sent too many is not heard at all for the rest of the minute,
 * or the right one among its guesses would still be told. (Rate limiters for whole APIs count every request, and a
 * transfer makes thousands with the right token.)
 */
export class GuessLimit {
  readonly #windows = new Map<string, Window>();
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** @throws ImgctlError `overloaded` */
  mayTry(address: string | undefined): void {
    const window = this.#windowOf(networkOf(address));
    if (window === undefined || window.guesses < guessesPerWindow) return;
    const retryAfterMs = Math.max(1, Math.ceil(window.endsAt - this.#now()));
    throw new ImgctlError('overloaded', 'too many wrong tokens came from your address', {
      hint: `Wait ${Math.ceil(retryAfterMs / 1000)} s, and use the token of this cluster.`,
      context: { retryAfterMs },
    });
  }

  wrong(address: string | undefined): void {
    const network = networkOf(address);
    const window = this.#windowOf(network);
    if (window !== undefined) {
      window.guesses += 1;
      return;
    }
    // The oldest goes first: a map keeps the order in which its keys came
    const [oldest] = this.#windows.keys();
    if (this.#windows.size >= maxNetworks && oldest !== undefined) this.#windows.delete(oldest);
    this.#windows.set(network, { endsAt: this.#now() + windowMs, guesses: 1 });
  }

  #windowOf(network: string): Window | undefined {
    const window = this.#windows.get(network);
    if (window === undefined || window.endsAt > this.#now()) return window;
    this.#windows.delete(network);
    return undefined;
  }
}
