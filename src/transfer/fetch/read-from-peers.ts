import { ImgctlError, toImgctlError } from '../../errors.ts';
import type { Descriptor } from '../../image/descriptor.ts';
import type { ArrivingRange, RangeReader } from './arriving-range.ts';
import { Changes } from './changes.ts';
import type { Peer, Peers } from './peers.ts';
import { beginReader, Ranges } from './ranges.ts';
import type { SourcePeer } from './source-peer.ts';

/** Peers that are asked at once, and requests to each: one is on its way while another is read. */
const peersAtOnce = 4;
const requestsEach = 2;
/** Bytes wait no longer for more before they go to the store: progress should be seen. Milliseconds. */
const lookAgainMs = 250;
/** What comes slower than this in the time that a stall takes is a stall too, in bytes. */
const trickleBytes = 8 * 1024;

export interface PeerReading {
  readonly descriptor: Descriptor;
  /** Those first that should be asked first. */
  readonly sources: readonly SourcePeer[];
  readonly peers: Peers;
  readonly signal: AbortSignal;
  /** Told of all that peers send, wanted or not. */
  onBytes(bytes: number): void;
}

/**
 * A blob's bytes in order, read from several peers at once: whoever is free takes the next range, what a peer leaves
 * behind another takes up, and who is slow is overtaken. No more is held than the window's share of this fetch.
 */
export class PeerRead {
  readonly #reading: PeerReading;
  readonly #changes = new Changes();
  readonly #waiting: SourcePeer[];
  /** Whose bytes were taken. */
  readonly contributors = new Set<SourcePeer>();
  /** Where the bytes began; undefined before they were asked for. */
  start: number | undefined;
  /** Every peer was dropped before the last byte came. */
  exhausted = false;

  constructor(reading: PeerReading) {
    this.#reading = reading;
    this.#waiting = [...reading.sources];
  }

  /** From `start` on, once. @throws ImgctlError `node_unreachable` where no peer is left; the sources tell why */
  async *bytes(start: number): AsyncGenerator<Uint8Array> {
    const { descriptor, peers, signal } = this.#reading;
    this.start = start;
    using _ = peers.window.enter();
    const ranges = new Ranges({ start, size: descriptor.size, share: () => peers.window.share });
    const ended = new AbortController();
    const stop = AbortSignal.any([signal, ended.signal]);
    let over = false;
    const turns = Array.from({ length: peersAtOnce }, () => this.#takeTurns(ranges, stop));
    const reading = Promise.all(turns).finally(() => {
      over = true;
      this.#changes.tell();
    });
    try {
      for (let last = performance.now(); !ranges.allHanded; ) {
        signal.throwIfAborted();
        const chunk = ranges.shift(over || performance.now() - last >= lookAgainMs);
        if (chunk !== undefined) {
          const { byteLength } = chunk;
          last = performance.now();
          yield chunk;
          ranges.handed(byteLength);
          this.#changes.tell();
        } else if (over) {
          this.exhausted = true;
          throw new ImgctlError('node_unreachable', 'no peer is left');
        } else {
          await this.#changes.next(lookAgainMs);
        }
      }
    } finally {
      ended.abort();
      this.#changes.tell();
      await reading;
    }
  }

  /** One peer after the other, the next when one is dropped. Never rejects. */
  async #takeTurns(ranges: Ranges, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !ranges.whole) {
      const source = this.#waiting.shift();
      if (source === undefined) return;
      try {
        using peer = this.#reading.peers.borrow(source.url);
        const requests = Array.from({ length: requestsEach }, () => this.#ask(source, peer, ranges, signal));
        await Promise.all(requests);
      } catch (error) {
        source.drop(toImgctlError(error));
      }
    }
  }

  async #ask(source: SourcePeer, peer: Peer, ranges: Ranges, signal: AbortSignal): Promise<void> {
    const several = Math.min(peersAtOnce, this.#reading.sources.length);
    while (!signal.aborted && !ranges.whole && source.error === undefined) {
      const range = source.paused ? undefined : ranges.nextFor(source, several);
      if (range === undefined) await this.#changes.next(lookAgainMs);
      else await this.#readRange(range, source, peer, signal);
    }
  }

  /** Never rejects: what goes wrong is the source's. */
  async #readRange(range: ArrivingRange, source: SourcePeer, peer: Peer, signal: AbortSignal): Promise<void> {
    const { peers } = this.#reading;
    const reader = beginReader(source, range.at);
    range.readers.add(reader);
    const stalled = new AbortController();
    const stop = AbortSignal.any([signal, range.whole, stalled.signal]);
    try {
      await this.#copy(range, reader, { source, peer, stop, onStall: (error) => stalled.abort(error) });
      range.finish();
      source.served();
    } catch (thrown) {
      if (stalled.signal.aborted) source.failed(stalled.signal.reason);
      else if (range.whole.aborted) source.overtaken(reader.bytes, () => stallError(peers.stallMs));
      else if (!signal.aborted) source.failed(toImgctlError(thrown));
    } finally {
      source.rate = reader.bytes / Math.max(1, performance.now() - reader.begun);
      range.readers.delete(reader);
      this.#changes.tell();
    }
  }

  async #copy(
    range: ArrivingRange,
    reader: RangeReader,
    { source, peer, stop, onStall }: Copying,
  ): Promise<void> {
    const { descriptor, peers, onBytes } = this.#reading;
    const { digest, size } = descriptor;
    let sinceTold = 0;
    const timer = setTimeout(() => onStall(stallError(peers.stallMs)), peers.stallMs);
    try {
      const wanted = { digest, size, offset: reader.at, length: range.end - reader.at };
      for await (const chunk of peer.read(wanted, stop)) {
        source.bytes += chunk.byteLength;
        onBytes(chunk.byteLength);
        sinceTold += chunk.byteLength;
        if (sinceTold >= trickleBytes) {
          sinceTold = 0;
          timer.refresh();
        }
        if (range.append(reader, chunk)) this.contributors.add(source);
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

interface Copying {
  readonly source: SourcePeer;
  readonly peer: Peer;
  readonly stop: AbortSignal;
  onStall(error: ImgctlError): void;
}

function stallError(limitMs: number): ImgctlError {
  return new ImgctlError('node_stalled', `it sent next to nothing for ${limitMs / 1000} s`);
}
