/**
 * Large buffers that are used again. Memory of buffers is outside of V8's heap: a gigabyte that passes through new ones
 * costs some 75 full collections, more time than everything else that is done with it.
 *
 * Giving back is voluntary, once, and only for who owns the chunk and knows that nobody reads it any more; a chunk that
 * is not given back is collected as any other.
 */

/** Size of a lent chunk, in bytes. */
export const chunkBytes = 1024 * 1024;

/** What lies idle at most, in chunks: as many as are on their way at once. */
const maxIdle = 32;

const idle: ArrayBuffer[] = [];
const lent = new WeakSet<ArrayBufferLike>();

/** A chunk of `chunkBytes` with arbitrary content. */
export function lendChunk(): Buffer<ArrayBuffer> {
  const memory = idle.pop() ?? Buffer.allocUnsafeSlow(chunkBytes).buffer;
  lent.add(memory);
  return Buffer.from(memory);
}

/** Takes back a lent chunk, or a part of one that stands for all of it. Any other chunk is left alone. */
export function giveBackChunk({ buffer }: Uint8Array): void {
  if (!lent.delete(buffer)) return;
  if (idle.length < maxIdle) idle.push(buffer as ArrayBuffer);
}

/** A lent chunk that is about to be cut into parts, each of which somebody gives back: none of them stands for all. */
export function keepChunk({ buffer }: Uint8Array): void {
  lent.delete(buffer);
}
