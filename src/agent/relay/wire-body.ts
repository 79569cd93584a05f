import type { WireEncodingName } from '../../agent-api/wire-encoding.ts';
import { framesOf } from '../../streams/frames-of.ts';
import { notePassed } from '../../streams/reclaim.ts';
import { decompressFrames } from '../../streams/zstd-codec.ts';
import { contentBytesOf, splitFrames } from '../../streams/zstd-frames.ts';

/** How a blob's bytes go over the wire, as those who store them and those who pass them on need to know it. */
export interface Coding {
  readonly name: WireEncodingName | undefined;
  /**
   * A body in pieces that are passed on whole: after any of them the rest may come from elsewhere.
   * `length`: the content that was announced. @throws ImgctlError `encoding_invalid` where it is not that
   */
  pieces(body: AsyncIterable<Uint8Array>, length: number): AsyncIterable<Uint8Array>;
  /** Bytes of the blob in a piece. */
  contentBytes(piece: Uint8Array): number;
  /** The blob's bytes of pieces. @throws ImgctlError `encoding_invalid` */
  decode(pieces: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>;
  /** Pieces of the blob's bytes. */
  encode(content: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>;
}

const plain: Coding = {
  name: undefined,
  pieces: (body) => body,
  contentBytes: (piece) => piece.byteLength,
  decode: (pieces) => pieces,
  encode: (content) => content,
};

const zstd: Coding = {
  name: 'zstd',
  pieces: splitFrames,
  contentBytes: contentBytesOf,
  async *decode(pieces) {
    for await (const content of decompressFrames(pieces)) {
      notePassed(content.byteLength);
      yield content;
    }
  },
  encode: (content) => framesOf(content),
};

export function codingOf(encoding: WireEncodingName | undefined): Coding {
  return encoding === 'zstd' ? zstd : plain;
}
