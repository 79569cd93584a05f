import { ImgctlError } from '../errors.ts';
import type { Descriptor } from '../image/descriptor.ts';
import type { Lease, WriteOptions } from '../store/store.ts';
import { abortable } from '../streams/abortable.ts';
import { skipBytes } from '../streams/skip-bytes.ts';
import type { BlobWriters } from './blob-writers.ts';

/** Progress is told at most this often, in milliseconds. */
const progressIntervalMs = 200;

export interface Receiving {
  readonly lease: Lease;
  readonly writers: BlobWriters;
  readonly descriptor: Descriptor;
  readonly repositories?: WriteOptions['repositories'];
  /** Where `body` begins; absent: wherever it is told to. */
  readonly offset?: number | undefined;
  /** Opened when it is to be read, with the count of bytes that the store holds. */
  readonly body: (held: number) => AsyncIterable<Uint8Array>;
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
  const { onProgress, tellLast, tellAll } = throttled((offset) => receiving.onProgress(offset, size), size);
  const writing = writers.write(digest, {
    owner: lease,
    signal,
    onProgress,
    waiting: (wait) => receiving.committing(wait),
    write: async ({ tell, waits, superseded }) => {
      const until = AbortSignal.any([signal, superseded]);
      // Another process may be writing it: then this waits for that one
      const held = await receiving.committing(() => lease.claim({ blobs: [descriptor] }, until));
      if (held.whole.has(digest)) return;
      const start = held.partial.get(digest) ?? 0;
      const begin = receiving.offset ?? start;
      if (start < begin) throw heldLess(descriptor, begin, start);
      const chunks = abortable(
        counted(receiving.body(start), waits, (bytes) => {
          received += bytes;
        }),
        superseded,
      );
      const { promise: handedOver, resolve } = Promise.withResolvers<void>();
      const writing = lease.write(descriptor, start, toEnd(skipBytes(chunks, start - begin), resolve), {
        signal: until,
        // All of it: that is told when it was verified and counts, for who hears it may send others here for it
        onProgress: (at) => at < size && tell(at),
        repositories: receiving.repositories,
      });
      // An error before the last byte must not wait for a last byte
      await Promise.race([handedOver, writing]);
      await receiving.committing(() => writing);
      tell(size);
    },
  });
  const outcome = await writing.catch((error) => {
    // Who goes on from here wants to know how much is here
    tellLast();
    throw error;
  });
  if (outcome === 'shared') {
    await lease.claim({ blobs: [descriptor] }, signal);
    tellAll();
  }
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
  waits: (isWaiting: boolean) => void,
  count: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  waits(true);
  try {
    for await (const chunk of chunks) {
      waits(false);
      count(chunk.byteLength);
      yield chunk;
      waits(true);
    }
  } finally {
    waits(false);
  }
}

async function* toEnd(chunks: AsyncIterable<Uint8Array>, ended: () => void): AsyncGenerator<Uint8Array> {
  yield* chunks;
  ended();
}

function throttled(tell: (offset: number) => void, size: number) {
  let last = 0;
  let told = 0;
  let untold: number | undefined;
  const onProgress = (offset: number) => {
    const now = performance.now();
    untold = offset;
    if (offset < size && now - last < progressIntervalMs) return;
    last = now;
    told = offset;
    untold = undefined;
    tell(offset);
  };
  /** Whoever brought it may have done so before this one listened. */
  const tellAll = () => {
    if (told < size) onProgress(size);
  };
  const tellLast = () => {
    if (untold !== undefined) tell(untold);
  };
  return { onProgress, tellLast, tellAll };
}
