import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode } from '../../errors.ts';
import type { Descriptor } from '../../image/descriptor.ts';
import { digestAlgorithm } from '../../image/digest.ts';
import type { WriteOptions } from '../store.ts';
import type { Layout } from './layout.ts';
import { receive } from './receive.ts';
import { blobLocked, digestMismatch, offsetMismatch, ofStore, sizeMismatch } from './store-errors.ts';

/** How long another process may write a blob without a byte before it is given up, in milliseconds. */
const patienceMs = 30_000;

interface Writing extends WriteOptions {
  readonly signal: AbortSignal;
}

/** `Lease.write` for a blob that is under a lease. */
export async function writeBlob(
  layout: Layout,
  blob: Descriptor,
  offset: number,
  chunks: AsyncIterable<Uint8Array>,
  { signal, onProgress }: Writing,
): Promise<void> {
  const { digest, size } = blob;
  using _turn = await layout.turns.take(digest, signal);
  const path = await takePartial(layout, blob, signal);
  if (path === undefined) return;
  let fate: 'kept' | 'discarded' = 'kept';
  try {
    const there = await layout.ingests.sizeOf({ path });
    // More than the blob has: whoever wrote it was told another size
    const held = there > size ? 0 : there;
    if (held !== offset) throw offsetMismatch(blob, offset, held);
    const algorithm = digestAlgorithm(digest);
    const actual = await receive({ path, algorithm, size, offset, digest, onProgress }, chunks, signal);
    if (actual !== digest) throw digestMismatch(blob, actual);
    signal.throwIfAborted();
    await ofStore(layout.paths.directory, layout.blobs.publish(path, digest));
  } catch (error) {
    if (hasCode(error, 'digest_mismatch', 'size_mismatch')) fate = 'discarded';
    if (fate === 'discarded' || (await layout.ingests.sizeOf({ path })) === 0)
      await rm(path, { force: true });
    else await layout.ingests.putBack(path);
    throw error;
  }
}

/** The file to write on with, for this process alone; undefined once the blob is whole. */
async function takePartial(
  layout: Layout,
  blob: Descriptor,
  signal: AbortSignal,
): Promise<string | undefined> {
  let seen = { size: -1, at: 0 };
  while (!(await isWhole(layout, blob, signal))) {
    const { path, busy } = await layout.exclusively(() => layout.ingests.take(blob.digest), signal);
    if (!busy) return path;
    const size = await layout.ingests.sizeOf({ path });
    if (size !== seen.size) seen = { size, at: performance.now() };
    else if (performance.now() - seen.at > patienceMs) throw blobLocked(blob);
    await sleep(50 + Math.random() * 100, undefined, { signal });
  }
  return undefined;
}

/** @throws ImgctlError `size_mismatch` where it is, and its descriptor lies about its size */
async function isWhole(layout: Layout, blob: Descriptor, signal: AbortSignal): Promise<boolean> {
  const actual = await layout.blobs.sizeOf(blob.digest);
  if (actual === undefined || actual === blob.size) return actual !== undefined;
  if ((await layout.blobs.digestOfFile(blob.digest, signal)) === blob.digest)
    throw sizeMismatch(blob, actual);
  // It was verified when it came: the disk, or somebody, has damaged it since. Written again, it is repaired
  await layout.blobs.remove(blob.digest);
  return false;
}
