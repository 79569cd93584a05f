import { Limiter } from '../../streams/limiter.ts';
import { content } from './api/content.ts';
import { type LeaseResource, leases } from './api/leases.ts';
import type { CallOptions, Connection } from './grpc/connection.ts';
import { keeperLabel, referenceLabels, referredBy, writeKeeper } from './lease-keeper.ts';

/** What a lease keeps: `content`, `ingests` and `snapshots/<snapshotter>`. */

export function blobResource(digest: string): LeaseResource {
  return { type: 'content', id: digest };
}

export function snapshotResource(snapshotter: string, name: string): LeaseResource {
  return { type: `snapshots/${snapshotter}`, id: name };
}

/** One name for one thing, to compare by. */
export function keyOf({ type, id }: LeaseResource): string {
  return `${type} ${id}`;
}

/** Puts one thing, there or not, under a lease. */
export async function addResource(
  connection: Connection,
  lease: string,
  resource: LeaseResource,
  options: CallOptions = {},
): Promise<void> {
  await connection.unary(leases.addResource, { id: lease, resource }, options);
}

/** Puts any number of things, there or not, under a lease. */
export async function keepUnder(
  connection: Connection,
  lease: string,
  resources: readonly LeaseResource[],
  options: CallOptions = {},
): Promise<void> {
  // Labels cannot refer to ingests; they are a handful
  const limiter = new Limiter(8);
  const ingests = resources.filter(({ type }) => type === 'ingests');
  await Promise.all(
    ingests.map((ingest) =>
      limiter.run(() => addResource(connection, lease, ingest, options), options.signal),
    ),
  );
  const others = resources.filter(({ type }) => type !== 'ingests');
  for (const labels of referenceLabels(others)) await writeKeeper(connection, lease, labels, options.signal);
}

/** Everything that a lease keeps, what its keepers refer to in their place. @throws ImgctlError `lease_lost` */
export async function resourcesOf(
  connection: Connection,
  lease: string,
  options: CallOptions = {},
): Promise<readonly LeaseResource[]> {
  const { resources } = await connection.unary(leases.listResources, { id: lease }, options);
  const all = new Map(resources.map((resource) => [keyOf(resource), resource]));
  const filters = [`labels."${keeperLabel}"`];
  for await (const { info } of connection.stream(content.list, { filters }, options)) {
    for (const { digest, labels } of info) {
      if (!all.delete(keyOf(blobResource(digest)))) continue;
      for (const resource of referredBy(labels)) all.set(keyOf(resource), resource);
    }
  }
  return [...all.values()];
}
