import { rm } from 'node:fs/promises';
import type { Digest } from '../../image/digest.ts';
import type { WriteOptions } from '../store.ts';
import type { HeldLease } from './held-lease.ts';
import type { Layout } from './layout.ts';
import { receive } from './receive.ts';
import { ofStore } from './store-errors.ts';

interface Writing extends WriteOptions {
  readonly signal: AbortSignal;
}

/** `Lease.ingest`: the digest is learned on the way, so what breaks off could never be found again, and goes. */
export async function ingestBlob(
  layout: Layout,
  lease: HeldLease,
  size: number,
  chunks: AsyncIterable<Uint8Array>,
  { signal, onProgress }: Writing,
): Promise<Digest> {
  const path = layout.ingests.newPath();
  try {
    const reception = { path, algorithm: 'sha256', size, offset: 0, onProgress } as const;
    const digest = await receive(reception, chunks, signal);
    await lease.hold([{ digest, mediaType: '' }]);
    signal.throwIfAborted();
    await ofStore(layout.paths.directory, layout.blobs.publish(path, digest));
    return digest;
  } finally {
    await rm(path, { force: true });
  }
}
