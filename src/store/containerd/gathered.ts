import { abortable } from '../../streams/abortable.ts';
import { chunkBytes, giveBackChunk, lendChunk, shortened } from '../../streams/chunk-pool.ts';

/** Bytes in a message to containerd: each is a round trip, and up to three are held for each blob. */
export const messageBytes = chunkBytes;

/** How long the bytes of a slow source may wait for more, in milliseconds: progress should be seen. */
const gatherForMs = 500;

/**
 * The bytes of `chunks` in messages of up to `messageBytes`. What has that size passes through; smaller chunks are copied
 * into lent ones, so that the many that a socket yields die young, before they cost a full collection.
 * The signal ends it at once, also while the source hangs; what arrived before that, or before the source failed, comes first.
 */
export async function* gathered(
  chunks: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  let message: Buffer | undefined;
  let length = 0;
  let since = 0;
  const take = () => {
    const taken = message === undefined ? Buffer.alloc(0) : shortened(message, length);
    message = undefined;
    length = 0;
    return taken;
  };
  try {
    for await (const chunk of abortable(chunks, signal)) {
      if (length === 0 && chunk.byteLength === messageBytes) {
        yield chunk;
        continue;
      }
      for (let at = 0; at < chunk.byteLength; ) {
        if (message === undefined) {
          message = lendChunk();
          since = performance.now();
        }
        const piece = chunk.subarray(at, at + messageBytes - length);
        message.set(piece, length);
        length += piece.byteLength;
        at += piece.byteLength;
        if (length === messageBytes) yield take();
      }
      giveBackChunk(chunk);
      if (length > 0 && performance.now() - since > gatherForMs) yield take();
    }
  } catch (error) {
    if (length > 0) yield take();
    throw error;
  }
  if (length > 0) yield take();
}
