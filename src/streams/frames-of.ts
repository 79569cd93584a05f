import { giveBackChunk } from './chunk-pool.ts';
import { FrameCompressor } from './zstd-codec.ts';
import { frameBytes } from './zstd-frames.ts';

/** How a piece of content becomes a frame. */
export type MakeFrame = (content: Uint8Array, compressor: FrameCompressor) => Promise<Buffer>;

const compressed: MakeFrame = (content, compressor) => compressor.compress(content);

/** Content as frames, one a chunk, made as they are asked for. Lent chunks are given back. */
export async function* framesOf(
  chunks: AsyncIterable<Uint8Array>,
  make: MakeFrame = compressed,
): AsyncGenerator<Buffer, void, undefined> {
  using compressor = new FrameCompressor();
  for await (const chunk of joined(chunks)) {
    for (let at = 0; at < chunk.byteLength; at += frameBytes)
      yield await make(chunk.subarray(at, at + frameBytes), compressor);
    giveBackChunk(chunk);
  }
}

/** Chunks that are smaller than a frame become one: a frame of its own for each would be dear. */
async function* joined(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let small: Buffer[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    if (length === 0 && chunk.byteLength >= frameBytes) {
      yield chunk;
      continue;
    }
    small.push(Buffer.from(chunk));
    giveBackChunk(chunk);
    length += chunk.byteLength;
    if (length < frameBytes) continue;
    yield Buffer.concat(small);
    small = [];
    length = 0;
  }
  if (length > 0) yield Buffer.concat(small);
}
