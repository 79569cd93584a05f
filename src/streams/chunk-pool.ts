/**
 * Large buffers that are used again. Memory of buffers is outside of V8's heap: a gigabyte that passes through new ones
 * costs some 75 full collections, more time than everything else that is done with it.
 *
 * A lent chunk has shares, each a view of its own: of all of it, or of a part. The memory is used again when every share
 * was given back. Giving back is voluntary, once, and only for who owns the share and knows that nobody reads it any
 * more; what is not given back is collected as any other. A view that was made otherwise (`subarray`) is no share:
 * whoever cuts a chunk into pieces that go different ways need not know that it was lent, for none of them gives it back.
 */

/** Size of a lent chunk, in bytes. */
export const chunkBytes = 1024 * 1024;

/** What lies idle at most, in chunks: as many as are on their way at once. */
const maxIdle = 32;

interface Loan {
  readonly memory: ArrayBuffer;
  shares: number;
}

const idle: ArrayBuffer[] = [];
const loans = new WeakMap<Uint8Array, Loan>();

/** A chunk of `chunkBytes` with arbitrary content. */
export function lendChunk(): Buffer<ArrayBuffer> {
  const memory = idle.pop() ?? Buffer.allocUnsafeSlow(chunkBytes).buffer;
  return share({ memory, shares: 0 }, 0, chunkBytes);
}

/**
 * One more share of a chunk, of its bytes from `start` up to `end`, for one more reader or for one who comes later.
 * Of a chunk that was not lent it is a view.
 */
export function shareChunk(chunk: Uint8Array, start = 0, end = chunk.byteLength): Buffer {
  const loan = loans.get(chunk);
  if (loan !== undefined) return share(loan, chunk.byteOffset + start, end - start);
  return Buffer.from(chunk.buffer, chunk.byteOffset + start, end - start);
}

/** In place of a share, one of its first `length` bytes: who gives that back gives back all of it. */
export function shortened(chunk: Uint8Array, length: number): Uint8Array {
  if (length === chunk.byteLength) return chunk;
  const part = shareChunk(chunk, 0, length);
  giveBackChunk(chunk);
  return part;
}

/** Takes back a share. Any other chunk is left alone. */
export function giveBackChunk(chunk: Uint8Array): void {
  const loan = loans.get(chunk);
  if (loan === undefined) return;
  loans.delete(chunk);
  loan.shares -= 1;
  if (loan.shares === 0 && idle.length < maxIdle) idle.push(loan.memory);
}

function share(loan: Loan, start: number, length: number): Buffer<ArrayBuffer> {
  const view = Buffer.from(loan.memory, start, length);
  loan.shares += 1;
  loans.set(view, loan);
  return view;
}
