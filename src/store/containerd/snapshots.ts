import { setTimeout as delay } from 'node:timers/promises';
import type { Digest } from '../../image/digest.ts';
import { Limiter } from '../../streams/limiter.ts';
import { snapshots } from './api/snapshots.ts';
import type { CallOptions, Connection } from './grpc/connection.ts';
import { isNotFound } from './grpc/errors.ts';

/** Unpacked layers, each a committed snapshot named by its chain ID. */

export async function snapshotExists(
  connection: Connection,
  snapshotter: string,
  chainId: Digest,
  options: CallOptions = {},
): Promise<boolean> {
  try {
    await connection.unary(snapshots.stat, { snapshotter, key: chainId }, options);
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

/** From this many on, listing everything that there is costs less than asking for each. */
const listFrom = 64;

/** Those of `chainIds` that are unpacked. */
export async function existingSnapshots(
  connection: Connection,
  snapshotter: string,
  chainIds: readonly Digest[],
  options: CallOptions = {},
): Promise<Set<Digest>> {
  const existing = new Set<Digest>();
  if (chainIds.length < listFrom) {
    const limiter = new Limiter(16);
    await Promise.all(
      chainIds.map((chainId) =>
        limiter.run(async () => {
          if (await snapshotExists(connection, snapshotter, chainId, options)) existing.add(chainId);
        }, options.signal),
      ),
    );
    return existing;
  }
  const wanted = new Set<string>(chainIds);
  for await (const { info } of connection.stream(snapshots.list, { snapshotter }, options)) {
    for (const { name } of info) if (wanted.has(name)) existing.add(name as Digest);
  }
  return existing;
}

/** How often a snapshot is tried to be removed: one whose `Apply` was cancelled may be mounted for a moment more. */
const removals = 5;

/** Removes what was prepared and not committed, if it is there. What cannot be removed goes with the lease. */
export async function removeSnapshot(
  connection: Connection,
  snapshotter: string,
  key: string,
  lease: string,
): Promise<void> {
  for (let i = 0; i < removals; i++) {
    if (i > 0) await delay(100 * 2 ** i);
    try {
      await connection.unary(snapshots.remove, { snapshotter, key }, { lease });
      return;
    } catch (error) {
      if (isNotFound(error)) return;
    }
  }
}
