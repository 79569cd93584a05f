import { ArrivingRange, type RangeReader } from './arriving-range.ts';
import type { SourcePeer } from './source-peer.ts';

/** Smaller parts of a blob are not asked for, unless it is itself no larger. */
const leastNewRange = 1024 * 1024;
/** Peers whose speed is not known yet get so long before their range is taken from them. Milliseconds. */
const graceMs = 1_000;
const silentMs = 2_000;
/** Who is to take a range over must be so much faster. */
const fasterBy = 2;

/** Which parts of a blob are asked of whom, from the first that is lacking on. */
export class Ranges {
  readonly #ahead: ArrivingRange[] = [];
  readonly #size: number;
  readonly #share: () => number;
  /** Where the part begins that nobody was asked for. */
  #next: number;
  /** Bytes before that are with the store. */
  #handed: number;

  /** `share` bounds what is ahead of the store, in bytes; one range may always be. */
  constructor({ start, size, share }: { start: number; size: number; share: () => number }) {
    this.#size = size;
    this.#share = share;
    this.#next = start;
    this.#handed = start;
  }

  get allHanded(): boolean {
    return this.#handed === this.#size;
  }

  /** Nothing is lacking any more. */
  get whole(): boolean {
    return this.#next === this.#size && this.#ahead.every(({ left }) => left === 0);
  }

  /** What this peer should read next: what another left, what nobody has, or what another is too slow with. */
  nextFor(peer: SourcePeer, peers: number): ArrivingRange | undefined {
    const left = this.#ahead.find((range) => range.left > 0 && range.readers.size === 0);
    return left ?? this.#newRange(peer, peers) ?? this.#ahead.find((range) => isTooSlow(range, peer));
  }

  /** Bytes in order; undefined while they are lacking. With `soon` as few as there are. */
  shift(soon: boolean): Uint8Array | undefined {
    for (;;) {
      const head = this.#ahead[0];
      const chunk = head?.shift(soon);
      if (chunk !== undefined || head === undefined || head.left > 0 || !head.isEmpty) return chunk;
      this.#ahead.shift();
    }
  }

  /** The store has so many more bytes. */
  handed(bytes: number): void {
    this.#handed += bytes;
  }

  #newRange(peer: SourcePeer, peers: number): ArrivingRange | undefined {
    const unasked = this.#size - this.#next;
    const ahead = this.#next - this.#handed;
    if (unasked === 0) return undefined;
    // So that several peers end at about the same time
    const fair = Math.max(leastNewRange, Math.ceil(unasked / (2 * peers)));
    const wanted = Math.min(unasked, peer.rangeBytes, fair, Math.max(leastNewRange, this.#share()));
    if (ahead > 0 && ahead + wanted > this.#share()) return undefined;
    const range = new ArrivingRange(this.#next, this.#next + wanted);
    this.#next = range.end;
    this.#ahead.push(range);
    return range;
  }
}

function isTooSlow({ left, readers }: ArrivingRange, peer: SourcePeer): boolean {
  const [reader, another] = readers;
  if (left === 0 || reader === undefined || another !== undefined || reader.owner === peer) return false;
  const elapsed = performance.now() - reader.begun;
  if (reader.bytes === 0 && elapsed > silentMs) return true;
  return elapsed > graceMs && (reader.bytes / elapsed) * fasterBy < peer.rate;
}

export function beginReader(owner: SourcePeer, at: number): RangeReader {
  return { owner, begun: performance.now(), at, bytes: 0 };
}
