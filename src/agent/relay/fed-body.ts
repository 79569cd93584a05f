import type { BlobToSend } from '../../agent-api/import-node.ts';
import type { FetchResult } from '../../agent-api/schemas.ts';
import { ImgctlError, toImgctlError } from '../../errors.ts';
import { noPeerServed, servedWrongBytes } from '../../transfer/fetch/fetch-errors.ts';
import { SourcePeer } from '../../transfer/fetch/source-peer.ts';
import type { PeerClients } from '../peers/peer-clients.ts';
import type { Feed } from './fetch-along.ts';

/** What comes slower than this in the time that a stall takes is a stall too, in bytes. */
const trickleBytes = 8 * 1024;

export interface FedBodyOptions {
  readonly blob: BlobToSend;
  /** URLs, those first that should be asked first. */
  readonly from: readonly string[];
  readonly clients: Pick<PeerClients, 'borrow' | 'parse'>;
  /** A peer that sends no more than a trickle for so long is given up. Milliseconds. */
  readonly stallMs: number;
  /** Of what the peer sends, in bytes a second. */
  readonly maxRate?: number | undefined;
  onBytes(bytes: number): void;
}

/**
 * A blob's bytes as a peer that has it whole sends them: one stream, in order, no faster than it is read, so that it can
 * go on along a route as what a client sends does. Where a peer fails the next one goes on from there.
 */
export class FedBody implements Feed {
  readonly #options: FedBodyOptions;
  readonly #sources: readonly SourcePeer[];
  #exhausted = false;

  /** @throws ImgctlError `request_invalid` where a URL names no peer: nobody is asked then */
  constructor(options: FedBodyOptions) {
    this.#options = options;
    for (const url of options.from) options.clients.parse(url);
    this.#sources = [...new Set(options.from)].map((url) => new SourcePeer(url));
  }

  /** Why it is not whole, where it is not. */
  get failure(): ImgctlError | undefined {
    return this.#exhausted ? noPeerServed(this.#options.blob.digest, this.#sources) : undefined;
  }

  /** The bytes did not have the digest. Where they all came from one peer, it was that one's fault. */
  blame(cause: ImgctlError): ImgctlError {
    const { blob } = this.#options;
    const [only, another] = this.#sources.filter(({ bytes }) => bytes > 0);
    if (blob.offset > 0 || only === undefined || another !== undefined) return cause;
    only.drop(servedWrongBytes(blob.digest, cause));
    return noPeerServed(blob.digest, [only]);
  }

  outcomes(): FetchResult['from'] {
    return this.#sources.map((source) => source.outcome());
  }

  async *bytes(signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const { size } = this.#options.blob;
    let at = this.#options.blob.offset;
    for (const source of this.#sources) {
      if (at === size) return;
      try {
        for await (const chunk of this.#from(source, at, signal)) {
          at += chunk.byteLength;
          yield chunk;
        }
      } catch (error) {
        signal.throwIfAborted();
        source.drop(toImgctlError(error));
      }
    }
    if (at === size) return;
    this.#exhausted = true;
    // To those behind it is the route that broke
    throw new ImgctlError('interrupted', `the route ended before its first node: ${this.failure?.message}`);
  }

  async *#from(source: SourcePeer, offset: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const { blob, clients, stallMs, maxRate, onBytes } = this.#options;
    const stalled = new AbortController();
    using peer = clients.borrow(source.url);
    const wanted = { digest: blob.digest, size: blob.size, offset, length: blob.size - offset, maxRate };
    const chunks = peer.client.readBlob(wanted, AbortSignal.any([signal, stalled.signal]));
    // Only while it is waited for: that nobody takes its bytes is not its fault
    let leftMs = stallMs;
    let sinceTold = 0;
    for (;;) {
      const begun = performance.now();
      const timer = setTimeout(() => stalled.abort(stallError(stallMs)), Math.max(1, leftMs));
      const { value, done } = await chunks.next().finally(() => clearTimeout(timer));
      if (done) return;
      leftMs -= performance.now() - begun;
      sinceTold += value.byteLength;
      if (sinceTold >= trickleBytes) {
        sinceTold = 0;
        leftMs = stallMs;
      }
      source.bytes += value.byteLength;
      onBytes(value.byteLength);
      yield value;
    }
  }
}

function stallError(limitMs: number): ImgctlError {
  return new ImgctlError('node_stalled', `it sent next to nothing for ${limitMs / 1000} s`);
}
