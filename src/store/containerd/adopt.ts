import { randomUUID } from 'node:crypto';
import { hasCode } from '../../errors.ts';
import { type ApiLease, type LeaseResource, leases } from './api/leases.ts';
import type { CallOptions, Connection } from './grpc/connection.ts';
import { deleteLease, isInUse } from './lease-holder.ts';
import { leaseLabels, parseProcess, stateOf } from './lease-owner.ts';
import { keepUnder, keyOf, resourcesOf } from './lease-resources.ts';

/**
 * Takes what is wanted, and is kept by now, away from the leases that broken-off imports of the same owner left; what
 * else they keep stays with them, until they expire. A lease of a process that lives is never touched.
 * @param wanted what `keyOf` says of it
 */
export async function adoptFromLeft(
  connection: Connection,
  owner: string,
  wanted: ReadonlySet<string>,
  options: CallOptions = {},
): Promise<void> {
  const filters = [`labels."${leaseLabels.owner}"`];
  const { leases: all } = await connection.unary(leases.list, { filters }, options);
  for (const left of all.filter((other) => isLeft(other, owner))) {
    const resources = await resourcesIfThere(connection, left.id, options);
    if (resources.some((resource) => wanted.has(keyOf(resource))))
      await replace(
        connection,
        left,
        resources.filter((resource) => !wanted.has(keyOf(resource)) && isResumable(resource)),
        options,
      );
  }
}

function isLeft({ id, labels }: ApiLease, owner: string): boolean {
  if (labels[leaseLabels.owner] !== owner || isInUse(id)) return false;
  const process = parseProcess(labels[leaseLabels.process]);
  if (process === undefined) return false;
  const state = stateOf(process);
  // Agents' names are a node's own: one of the same name in a pid namespace that is not seen is our predecessor, in
  // another container. Commands all have one name, and nothing tells them apart.
  return state === 'self' || state === 'dead' || (state === 'unknown' && owner !== 'cli');
}

/** Somebody else may have adopted it meanwhile. */
async function resourcesIfThere(
  connection: Connection,
  lease: string,
  options: CallOptions,
): Promise<readonly LeaseResource[]> {
  try {
    return await resourcesOf(connection, lease, options);
  } catch (error) {
    if (hasCode(error, 'lease_lost')) return [];
    throw error;
  }
}

/** A lease that keeps less, in place of one: containerd can take things out of a lease only one by one. */
async function replace(
  connection: Connection,
  { id, labels }: ApiLease,
  rest: readonly LeaseResource[],
  options: CallOptions,
): Promise<void> {
  if (rest.length > 0) {
    const smaller = `imgctl-${randomUUID()}`;
    await connection.unary(leases.create, { id: smaller, labels }, options);
    await keepUnder(connection, smaller, rest, options);
  }
  await deleteLease(connection, id);
}

/** Extractions cannot be gone on with, nor can blobs whose digest was not known. */
function isResumable({ type, id }: LeaseResource): boolean {
  if (type === 'ingests') return id.startsWith('imgctl-sha');
  return type === 'content' || !id.startsWith('extract-');
}
