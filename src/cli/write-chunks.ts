import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { giveBackChunk } from '../streams/chunk-pool.ts';

/** Writes chunks that are its own, and gives each back when it is written: their memory is used again. */
export async function writeChunks(
  chunks: AsyncIterable<Uint8Array>,
  stream: Writable,
  signal: AbortSignal,
): Promise<void> {
  for await (const chunk of chunks) {
    const taken = stream.write(chunk, () => giveBackChunk(chunk));
    if (stream.errored) throw stream.errored;
    if (!taken) await once(stream, 'drain', { signal });
  }
}
