/** A verdict rests on so much content and so long a time at least. Bytes, milliseconds. */
const windowBytes = 32 * 1024 * 1024;
const windowMs = 500;
/** After so long the other way is tried again: links are shared. Milliseconds. */
const standsMs = 10_000;
/** Compressing takes processors from others: it must gain more than this. */
const worthIt = 1.1;

type Way = 'compressed' | 'stored';

/**
 * Whether compressing makes blobs go faster, found out while they go, for all of one run together: they share the link
 * and the processors. Nothing is known at first, and bytes are compressed. The first window says nothing: the buffers of
 * the sockets take megabytes at once, also where the link is slow. What is small is thus always compressed.
 *
 * The link is certainly the slower one when the compressor is idle for more than half of the time, and what goes over
 * the link is less than a quarter of what could be compressed: then there is no more to find out. Otherwise the next
 * bytes go as they are, for as long as it takes to see how fast that is, and the faster way is kept for a while.
 * Trying it costs time where the link is slow, and only there: that is why it is not done then.
 */
export class LinkGauge {
  readonly #now: () => number;
  #way: Way = 'compressed';
  #buffersAreFull = false;
  /** Content bytes per millisecond of the last window of each way. */
  readonly #pace: Record<Way, number | undefined> = { compressed: undefined, stored: undefined };
  #decidedAt: number | undefined;
  #open = 0;
  #since = 0;
  #flowedMs = 0;
  #content = 0;
  #wire = 0;
  #compressed = 0;
  #compressingMs = 0;

  /** `now` in milliseconds. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** How the next bytes should go. */
  get way(): Way {
    return this.#way;
  }

  /** A body is being sent until it is disposed of: the clock runs only then. */
  sending(): Disposable {
    if (this.#open === 0) this.#since = this.#now();
    this.#open += 1;
    return {
      [Symbol.dispose]: () => {
        this.#open -= 1;
        if (this.#open === 0) this.#flowedMs += this.#now() - this.#since;
      },
    };
  }

  /** So many bytes were compressed in so many milliseconds, by one thread. */
  compressed(bytes: number, ms: number): void {
    this.#compressed += bytes;
    this.#compressingMs += ms;
  }

  /** The link took so many bytes, which stand for so many of content. */
  taken(contentBytes: number, wireBytes: number): void {
    this.#content += contentBytes;
    this.#wire += wireBytes;
    const now = this.#now();
    const ms = this.#flowedMs + (this.#open > 0 ? now - this.#since : 0);
    if (this.#content < windowBytes || ms < windowMs) return;
    if (this.#buffersAreFull) this.#judge(ms, now);
    this.#buffersAreFull = true;
    this.#since = now;
    this.#flowedMs = 0;
    this.#content = 0;
    this.#wire = 0;
    this.#compressed = 0;
    this.#compressingMs = 0;
  }

  #judge(ms: number, now: number): void {
    this.#pace[this.#way] = this.#content / ms;
    if (this.#way === 'compressed' && this.#linkIsSlower(ms)) return;
    const stands = this.#decidedAt !== undefined && now - this.#decidedAt < standsMs;
    if (stands) return;
    const { compressed, stored } = this.#pace;
    if (compressed === undefined || stored === undefined || this.#decidedAt !== undefined) {
      // The other way is tried, and then both are known
      this.#pace[this.#way === 'compressed' ? 'stored' : 'compressed'] = undefined;
      this.#way = this.#way === 'compressed' ? 'stored' : 'compressed';
      this.#decidedAt = undefined;
      return;
    }
    this.#way = compressed > worthIt * stored ? 'compressed' : 'stored';
    this.#decidedAt = now;
  }

  #linkIsSlower(ms: number): boolean {
    if (this.#compressingMs === 0) return false;
    const could = this.#compressed / this.#compressingMs;
    return this.#compressingMs < ms / 2 && this.#wire / ms < could / 4;
  }
}
