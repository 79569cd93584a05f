import { orAborted } from './or-aborted.ts';

/** Bytes in a message to containerd: each is a round trip, and up to three are held for each blob. */
export const messageBytes = 1024 * 1024;

/** Bytes that go to containerd in one message. */
export interface Gathered {
  readonly pieces: readonly Uint8Array[];
  readonly length: number;
}

/** How long the bytes of a slow source may wait for more, in milliseconds: progress should be seen. */
const gatherForMs = 500;

/**
 * The bytes of `chunks` gathered to messages, without copying.
 * The signal ends it at once, also while the source hangs; what arrived before that, or before the source failed, comes first.
 */
export async function* gathered(
  chunks: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): AsyncGenerator<Gathered, void, void> {
  let pieces: Uint8Array[] = [];
  let length = 0;
  let since = 0;
  const take = () => {
    const taken = { pieces, length };
    pieces = [];
    length = 0;
    return taken;
  };
  try {
    for await (const chunk of untilAborted(chunks, signal)) {
      // A chunk far beyond what a source should yield would not fit into a message
      for (let at = 0; at < chunk.byteLength; at += messageBytes) {
        const piece = chunk.subarray(at, at + messageBytes);
        if (length + piece.byteLength > messageBytes) yield take();
        if (length === 0) since = performance.now();
        pieces.push(piece);
        length += piece.byteLength;
      }
      if (length === messageBytes || (length > 0 && performance.now() - since > gatherForMs)) yield take();
    }
  } catch (error) {
    if (length > 0) yield take();
    throw error;
  }
  if (length > 0) yield take();
}

async function* untilAborted(
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  const iterator = source[Symbol.asyncIterator]();
  let settled = false;
  try {
    for (;;) {
      settled = false;
      const next = await orAborted(iterator.next(), signal);
      settled = true;
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    const closing = Promise.resolve(iterator.return?.()).catch(() => {});
    // A source that hangs would hang here too
    if (settled) await closing;
  }
}
