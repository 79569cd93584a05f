import { errorToWire } from '../../agent-api/errors.ts';
import type { FetchResult } from '../../agent-api/schemas.ts';
import { hasCode, type ImgctlError } from '../../errors.ts';

/** What is asked for at once, in bytes; of a peer that turns out slow, less. */
export const mostRangeBytes = 4 * 1024 * 1024;
const leastRangeBytes = 256 * 1024;
/** Broken connections to a peer that served before. */
const maxStrikes = 3;
/** Ranges in a row that others had to bring because not a byte of them came. */
const maxSilences = 4;
/** Doubled every time. */
const firstPauseMs = 250;
const longestPauseMs = 30_000;

/** A peer as one fetch knows it: what it brought, how fast, and why it is asked no more. */
export class SourcePeer {
  readonly url: string;
  bytes = 0;
  rangeBytes = mostRangeBytes;
  /** Bytes a millisecond of its last range; 0: unknown. */
  rate = 0;
  #error: ImgctlError | undefined;
  /** What it was paused for, unless it served since. */
  #trouble: ImgctlError | undefined;
  #strikes = 0;
  #overtakes = 0;
  #silences = 0;
  #pausedUntil = 0;

  constructor(url: string) {
    this.url = url;
  }

  get error(): ImgctlError | undefined {
    return this.#error;
  }

  get paused(): boolean {
    return performance.now() < this.#pausedUntil;
  }

  /** It is asked no more. The first reason stays. */
  drop(error: ImgctlError): void {
    this.#error ??= error;
  }

  /** A request to it failed: it is tried again where a moment may mend that. */
  failed(error: ImgctlError): void {
    // Several requests over one broken link are one failure
    if (this.paused) return;
    const mayMend = hasCode(error, 'overloaded') || (hasCode(error, 'node_unreachable') && this.bytes > 0);
    this.#trouble = error;
    this.#strikes += 1;
    if (!mayMend || this.#strikes >= maxStrikes) this.drop(error);
    else this.#pause(this.#strikes);
  }

  /** It served what it was asked for to the end. */
  served(): void {
    this.rangeBytes = Math.min(mostRangeBytes, this.rangeBytes * 2);
    this.#overtakes = Math.max(0, this.#overtakes - 1);
    this.#silences = 0;
    this.#trouble = undefined;
  }

  /** Another had to end what this one began: it gets less to do, later; with nothing ever coming of it, none. */
  overtaken(bytes: number, silent: () => ImgctlError): void {
    // Several of its requests that one slow moment held up are one
    if (this.paused) return;
    this.rangeBytes = Math.max(leastRangeBytes, this.rangeBytes / 2);
    this.#overtakes += 1;
    this.#silences = bytes === 0 ? this.#silences + 1 : 0;
    if (this.#silences >= maxSilences) this.drop(silent());
    else this.#pause(this.#overtakes);
  }

  #pause(count: number): void {
    this.#pausedUntil = performance.now() + Math.min(longestPauseMs, firstPauseMs * 2 ** count);
  }

  outcome(): FetchResult['from'][number] {
    const { url, bytes, error = this.#trouble } = this;
    return { url, bytes, ...(error === undefined ? {} : { error: errorToWire(error) }) };
  }
}
