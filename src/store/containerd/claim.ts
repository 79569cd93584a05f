import type { Digest } from '../../image/digest.ts';
import type { Claim, Holdings } from '../store.ts';
import { adoptLeases, keyOf } from './adopt.ts';
import { blobSizes } from './content-info.ts';
import type { Connection } from './grpc/connection.ts';
import { listIngests, refOf } from './ingests.ts';
import { addResource, blobResource, keepUnder, snapshotResource } from './lease-resources.ts';
import { claimShared } from './shared-content.ts';
import { existingSnapshots } from './snapshots.ts';

export interface Claimer {
  readonly connection: Connection;
  readonly owner: string;
  readonly snapshotter: string;
  readonly lease: string;
}

/**
 * Takes things under a lease, there or not, and only then looks which are there: nothing goes in between.
 */
export async function claimUnder(
  { connection, owner, snapshotter, lease }: Claimer,
  { blobs, chainIds = [] }: Claim,
  signal?: AbortSignal,
): Promise<Holdings> {
  const sizes = new Map(blobs.map(({ digest, size }) => [digest, size]));
  const digests = [...sizes.keys()];
  const resources = [
    ...digests.map(blobResource),
    ...chainIds.map((chainId) => snapshotResource(snapshotter, chainId)),
  ];
  if (resources.length === 0) return { whole: new Set(), partial: new Map(), unpacked: new Set() };
  const options = { signal };

  await keepUnder(connection, lease, resources, options);
  const ingests = digests.map((digest) => ({ type: 'ingests', id: refOf(digest) }));
  await adoptLeases(connection, { owner, lease }, new Set([...resources, ...ingests].map(keyOf)), options);

  const [found, unpacked, partial] = await Promise.all([
    blobSizes(connection, digests, options),
    existingSnapshots(connection, snapshotter, chainIds, options),
    claimIngests(connection, lease, sizes, signal),
  ]);
  const absent = blobs.filter(({ digest }) => !found.has(digest) && !partial.has(digest));
  const shared = await claimShared(connection, lease, absent, signal);
  return { whole: new Set([...found.keys(), ...shared]), partial, unpacked };
}

/** What is held of the blobs that are not whole. Leased before it is looked at once more: it may go in between. */
async function claimIngests(
  connection: Connection,
  lease: string,
  sizes: ReadonlyMap<Digest, number>,
  signal: AbortSignal | undefined,
): Promise<Map<Digest, number>> {
  const wanted = async () => {
    const all = await listIngests(connection, { signal });
    return new Map([...all].filter(([digest, held]) => held > 0 && held <= (sizes.get(digest) ?? 0)));
  };
  const seen = await wanted();
  if (seen.size === 0) return seen;
  for (const digest of seen.keys())
    await addResource(connection, lease, { type: 'ingests', id: refOf(digest) }, { signal });
  return wanted();
}
