import type { BlobToSend, PutOptions } from '../agent-api/import-node.ts';
import { hasCode } from '../errors.ts';
import type { Digest } from '../image/digest.ts';
import type { BlobSource } from '../image/source.ts';
import { giveBackChunk } from '../streams/chunk-pool.ts';
import { framesOf, type MakeFrame } from '../streams/frames-of.ts';
import { Limiter } from '../streams/limiter.ts';
import { FrameCompressor } from '../streams/zstd-codec.ts';
import { contentBytesOf, frameBytes, storedFrame } from '../streams/zstd-frames.ts';
import { LinkGauge } from './link-gauge.ts';

export type WireCompression = 'auto' | 'zstd' | 'none';

/** Below it a body goes in a moment either way, in bytes. */
const leastBytes = 64 * 1024;
/** A blob whose beginning does not become smaller than this part of itself is not worth it. */
const worthIt = 0.8;

/** A body, and how it is encoded: what `ImportHandle.put` is given. */
export interface WireBody extends Pick<PutOptions, 'encoding'> {
  readonly body: () => AsyncIterable<Uint8Array>;
}

interface WireEncodingOptions {
  readonly source: BlobSource;
  readonly mode: WireCompression;
  /** Threads that compress at once: more than there are processors would only wait for each other. */
  readonly threads: number;
}

/**
 * How the blobs of one run go over the wire. What is worth it is compressed, to nodes that take it: the bytes decide,
 * not the media type, which some archives do not say and others say wrongly. `zstd`: whatever is not compressed
 * already. `auto`: what becomes smaller, as long as the link is slower than the compressor (see LinkGauge), and that
 * is looked at anew for each frame: in a body that was begun compressed the others go as they are.
 */
export class WireEncoding {
  readonly #options: WireEncodingOptions;
  readonly #gauge = new LinkGauge();
  readonly #compressing: Limiter;
  readonly #worth = new Map<Digest, boolean>();

  constructor(options: WireEncodingOptions) {
    this.#options = options;
    this.#compressing = new Limiter(options.threads);
  }

  /** The body of a blob from its offset on. `takes`: every node that it goes to takes compressed bytes. */
  async bodyOf(blob: BlobToSend, takes: boolean, signal: AbortSignal): Promise<WireBody> {
    const { source } = this.#options;
    const plain = () => source.read(blob.digest, blob.offset, signal);
    if (!takes || !(await this.#isWorth(blob, signal))) return { body: () => this.#measured(plain()) };
    return { encoding: 'zstd', body: () => this.#measured(framesOf(plain(), this.#frame), contentBytesOf) };
  }

  /** A node did not get what was sent: what lies between may have changed encoded bytes, so plain ones go next time. */
  refused({ digest }: Pick<BlobToSend, 'digest'>, error: unknown): void {
    if (hasCode(error, 'encoding_invalid')) this.#worth.set(digest, false);
  }

  readonly #frame: MakeFrame = (content, compressor) =>
    this.#options.mode === 'auto' && this.#gauge.way === 'stored'
      ? Promise.resolve(storedFrame(content))
      : this.#compress(content, compressor);

  #compress(content: Uint8Array, compressor: FrameCompressor): Promise<Buffer> {
    return this.#compressing.run(async () => {
      const begun = performance.now();
      const frame = await compressor.compress(content);
      this.#gauge.compressed(content.byteLength, performance.now() - begun);
      return frame;
    });
  }

  /** Tells the gauge what the link took. */
  async *#measured(
    pieces: AsyncIterable<Uint8Array>,
    contentBytes = (piece: Uint8Array) => piece.byteLength,
  ): AsyncGenerator<Uint8Array> {
    using _sending = this.#gauge.sending();
    for await (const piece of pieces) {
      const wire = piece.byteLength;
      const content = contentBytes(piece);
      yield piece;
      this.#gauge.taken(content, wire);
    }
  }

  async #isWorth(blob: BlobToSend, signal: AbortSignal): Promise<boolean> {
    const { mode } = this.#options;
    if (mode === 'none' || blob.size - blob.offset < leastBytes) return false;
    // Where the link is the faster one, not even frames are made
    if (mode === 'auto' && this.#gauge.way === 'stored') return false;
    const known = this.#worth.get(blob.digest);
    if (known !== undefined) return known;
    const worth = await this.#looksWorth(blob, signal);
    this.#worth.set(blob.digest, worth);
    return worth;
  }

  async #looksWorth({ digest, offset }: BlobToSend, signal: AbortSignal): Promise<boolean> {
    const { source, mode } = this.#options;
    using compressor = new FrameCompressor();
    let content = 0;
    let wire = 0;
    for await (const chunk of source.read(digest, 0, signal)) {
      if (isCompressed(chunk)) return false;
      if (mode === 'zstd') return true;
      giveBackChunk(chunk);
      break;
    }
    for await (const chunk of source.read(digest, offset, signal)) {
      for (let at = 0; at < chunk.byteLength; at += frameBytes) {
        const piece = chunk.subarray(at, at + frameBytes);
        content += piece.byteLength;
        wire += (await this.#compress(piece, compressor)).byteLength;
      }
      giveBackChunk(chunk);
      if (content >= 4 * frameBytes) break;
    }
    return wire < worthIt * content;
  }
}

/** By their first bytes: gzip (RFC 1952), zstd (RFC 8878). */
function isCompressed(start: Uint8Array): boolean {
  const [a, b, c, d] = start;
  return (a === 0x1f && b === 0x8b) || (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd);
}
