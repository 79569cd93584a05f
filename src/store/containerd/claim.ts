import type { Digest } from '../../image/digest.ts';
import type { Claim, Holdings } from '../store.ts';
import { adoptFromLeft } from './adopt.ts';
import type { LeaseResource } from './api/leases.ts';
import { blobSizes } from './content-info.ts';
import type { Connection } from './grpc/connection.ts';
import { listIngests, refOf } from './ingests.ts';
import { blobResource, keepUnder, keyOf, snapshotResource } from './lease-resources.ts';
import { claimShared } from './shared-content.ts';
import { existingSnapshots } from './snapshots.ts';

export interface Claimer {
  readonly connection: Connection;
  readonly owner: string;
  readonly snapshotter: string;
  readonly lease: string;
  /** What claims put under leases, ingests not among it: under this one it need not be put again. */
  readonly kept: Set<string>;
}

/**
 * Takes things under a lease, there or not, and only then looks which are there: nothing goes in between.
 */
export async function claimUnder(
  { connection, owner, snapshotter, lease, kept }: Claimer,
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

  const unkept = resources.filter((resource) => !kept.has(`${lease} ${keyOf(resource)}`));
  await keepUnder(connection, lease, unkept, options);
  for (const resource of unkept) kept.add(`${lease} ${keyOf(resource)}`);
  const held = (await ingestsOf(connection, sizes, signal)).keys().map(ingestResource);
  await keepUnder(connection, lease, [...held], options);
  const wanted = new Set([...resources, ...digests.map(ingestResource)].map(keyOf));
  await adoptFromLeft(connection, owner, wanted, options);

  const [found, unpacked, partial] = await Promise.all([
    blobSizes(connection, digests, options),
    existingSnapshots(connection, snapshotter, chainIds, options),
    ingestsOf(connection, sizes, signal),
  ]);
  const absent = blobs.filter(({ digest }) => !found.has(digest) && !partial.has(digest));
  const shared = await claimShared(connection, lease, absent, signal);
  return { whole: new Set([...found.keys(), ...shared]), partial, unpacked };
}

/** Bytes held of those blobs that are not whole. */
async function ingestsOf(
  connection: Connection,
  sizes: ReadonlyMap<Digest, number>,
  signal: AbortSignal | undefined,
): Promise<Map<Digest, number>> {
  const all = await listIngests(connection, { signal });
  return new Map([...all].filter(([digest, held]) => held > 0 && held <= (sizes.get(digest) ?? 0)));
}

function ingestResource(digest: Digest): LeaseResource {
  return { type: 'ingests', id: refOf(digest) };
}
