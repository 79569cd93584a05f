import { ImgctlError } from '../errors.ts';
import type { Descriptor } from '../image/descriptor.ts';
import type { Lease, WriteOptions } from '../store/store.ts';
import { skipBytes } from '../streams/skip-bytes.ts';
import type { BlobWriters } from './blob-writers.ts';

/** Progress is told at most this often, in milliseconds. */
const progressIntervalMs = 200;

export interface Receiving {
  readonly lease: Lease;
  readonly writers: BlobWriters;
  readonly descriptor: Descriptor;
  readonly repositories?: WriteOptions['repositories'];
  /** Where `body` begins. */
  readonly offset: number;
  readonly body: () => AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
  onProgress(offset: number, size: number): void;
  /** Wraps what moves no bytes: what the store does with the last ones (verify, make durable), and waiting for others. */
  committing<T>(work: () => Promise<T>): Promise<T>;
}

/**
 * Brings one blob into the store from wherever it was left, unless it is there, or another import brings it.
 * Answers the bytes that were read of `body`.
 * @throws ImgctlError `offset_mismatch` when `body` begins after what the store holds
 */
export async function receiveBlob(receiving: Receiving): Promise<number> {
  const { lease, writers, descriptor, signal } = receiving;
  const { digest, size } = descriptor;
  let received = 0;
  const onProgress = throttled((offset) => receiving.onProgress(offset, size), size);
  const outcome = await writers.write(digest, {
    signal,
    onProgress,
    waiting: (wait) => receiving.committing(wait),
    write: async (tell) => {
      // Another process may be writing it: then this waits for that one
      const held = await receiving.committing(() => lease.claim({ blobs: [descriptor] }, signal));
      if (held.whole.has(digest)) return;
      const start = held.partial.get(digest) ?? 0;
      if (start < receiving.offset) throw heldLess(descriptor, receiving.offset, start);
      const chunks = counted(receiving.body(), (bytes) => {
        received += bytes;
      });
      const { promise: handedOver, resolve } = Promise.withResolvers<void>();
      const writing = lease.write(
        descriptor,
        start,
        toEnd(skipBytes(chunks, start - receiving.offset), resolve),
        {
          signal,
          onProgress: tell,
          repositories: receiving.repositories,
        },
      );
      // An error before the last byte must not wait for a last byte
      await Promise.race([handedOver, writing]);
      await receiving.committing(() => writing);
      tell(size);
    },
  });
  if (outcome === 'shared') await lease.claim({ blobs: [descriptor] }, signal);
  return received;
}

function heldLess({ digest }: Descriptor, offset: number, held: number): ImgctlError {
  return new ImgctlError(
    'offset_mismatch',
    `the node holds ${held} bytes of ${digest}, the transfer begins at ${offset}`,
    {
      hint: 'Begin at the offset that the node holds.',
      context: { digest, offset: held },
    },
  );
}

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  count: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    count(chunk.byteLength);
    yield chunk;
  }
}

async function* toEnd(chunks: AsyncIterable<Uint8Array>, ended: () => void): AsyncGenerator<Uint8Array> {
  yield* chunks;
  ended();
}

function throttled(tell: (offset: number) => void, size: number): (offset: number) => void {
  let last = 0;
  return (offset) => {
    const now = performance.now();
    if (offset < size && now - last < progressIntervalMs) return;
    last = now;
    tell(offset);
  };
}
