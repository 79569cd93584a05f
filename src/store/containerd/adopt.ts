import { type ApiLease, type LeaseResource, leases } from './api/leases.ts';
import type { CallOptions, Connection } from './grpc/connection.ts';
import { deleteLease, isInUse } from './lease-holder.ts';
import { leaseLabels, parseProcess, stateOf } from './lease-owner.ts';
import { keepUnder, resourcesOf } from './lease-resources.ts';

export interface Adopter {
  readonly owner: string;
  /** The lease that takes over. */
  readonly lease: string;
}

/**
 * Takes over what broken-off imports of the same owner left, where it overlaps with what is wanted: their leases'
 * resources come under ours, and their leases go. A lease of a process that lives is never touched.
 */
export async function adoptLeases(
  connection: Connection,
  { owner, lease }: Adopter,
  wanted: ReadonlySet<string>,
  options: CallOptions = {},
): Promise<void> {
  const { leases: all } = await connection.unary(
    leases.list,
    { filters: [`labels."${leaseLabels.owner}"`] },
    options,
  );
  for (const left of all.filter((other) => other.id !== lease && isLeft(other, owner))) {
    const resources = await resourcesOf(connection, left.id, options).catch(() => []);
    if (!resources.some((resource) => wanted.has(keyOf(resource)))) continue;
    await keepUnder(connection, lease, resources.filter(isWorthKeeping), options);
    await deleteLease(connection, left.id);
  }
}

/** How `wanted` names a resource. */
export function keyOf({ type, id }: LeaseResource): string {
  return `${type} ${id}`;
}

function isLeft({ id, labels }: ApiLease, owner: string): boolean {
  if (labels[leaseLabels.owner] !== owner) return false;
  const process = parseProcess(labels[leaseLabels.process]);
  if (process === undefined) return false;
  const state = stateOf(process);
  if (state === 'self') return !isInUse(id);
  // Agents' names are a node's own: an agent of the same name in a pid namespace that is not seen is our predecessor,
  // in another container. Commands all have one name, and nothing tells them apart.
  return state === 'dead' || (state === 'unknown' && owner !== 'cli');
}

/** Extractions cannot be resumed, nor blobs whose digest was not known. */
function isWorthKeeping({ type, id }: LeaseResource): boolean {
  if (type === 'ingests') return id.startsWith('imgctl-sha');
  return type === 'content' || !id.startsWith('extract-');
}
