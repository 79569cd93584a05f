import type { Digest } from '../../image/digest.ts';
import type { FetchWindow } from './fetch-window.ts';

/** Other nodes as places to get blobs from. Whoever knows how to reach and trust them makes these. */
export interface Peers {
  /** Shared by all fetches of this node. */
  readonly window: FetchWindow;
  /** A peer that sends no more than a trickle for so long is given up. Milliseconds. */
  readonly stallMs: number;
  /** @throws ImgctlError `request_invalid` for a URL that names no peer */
  mustName(url: string): void;
  /** Nothing is connected before the first read. @throws ImgctlError `request_invalid` */
  borrow(url: string): Peer;
}

/** In use until it is disposed of. */
export interface Peer extends Disposable {
  /**
   * Bytes `offset` up to `offset + length` of a blob of `size` bytes that the peer has whole: exactly so many, or an
   * error. @throws ImgctlError `blob_unknown`, `node_unreachable`, `node_protocol`, …
   */
  read(range: PeerRange, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

export interface PeerRange {
  readonly digest: Digest;
  readonly size: number;
  readonly offset: number;
  readonly length: number;
}
