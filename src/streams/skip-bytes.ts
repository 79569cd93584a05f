import { giveBackChunk, shareChunk } from './chunk-pool.ts';

/** The same bytes without the first `count`. */
export async function* skipBytes(
  chunks: AsyncIterable<Uint8Array>,
  count: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let left = count;
  for await (const chunk of chunks) {
    if (left === 0) {
      yield chunk;
      continue;
    }
    const skipped = Math.min(left, chunk.byteLength);
    left -= skipped;
    const rest = shareChunk(chunk, skipped);
    giveBackChunk(chunk);
    if (rest.byteLength > 0) yield rest;
    else giveBackChunk(rest);
  }
}
