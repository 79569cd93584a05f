import type { Digest } from '../../image/digest.ts';
import type { Layout } from './layout.ts';
import { LayoutIndex } from './layout-index.ts';
import type { LeaseRecord } from './lease-files.ts';

/**
 * Ends the leases whose time has passed, and removes what they kept and no name and no other lease reaches. Under the
 * layout's lock. `released` names one that ends now. Only what a lease or a name of ours kept is ever removed: another tool may be writing blobs here
 * whose name is still to come. Crash-safe: a lease goes last, so that the next sweep finds what this one did not do.
 */
export async function sweep(layout: Layout, released?: string): Promise<void> {
  const leases = await layout.leases.list();
  const ended = leases.filter((lease) => lease.id === released || hasEnded(layout, lease));
  const kept = leases.filter((lease) => !ended.includes(lease)).flatMap(nodesOf);
  if (ended.some(({ blobs }) => blobs.size > 0)) {
    const index = await LayoutIndex.load(layout.paths);
    const reachable = await layout.reachable.from([...index.roots(), ...kept]);
    const candidates = await layout.reachable.from(ended.flatMap(nodesOf));
    for (const digest of candidates.keys()) {
      if (reachable.has(digest)) continue;
      await layout.blobs.remove(digest);
      layout.reachable.forget(digest);
    }
  }
  await layout.ingests.sweep(new Set(kept.map(({ digest }) => digest)));
  for (const { id } of ended) await layout.leases.remove(id);
  await layout.owners.forgetDead();
}

/** Whether an import of a process that lives holds it. */
export function isHeld({ owners, held }: Layout, { id, holder }: LeaseRecord): boolean {
  if (holder === owners.self) return held.has(id);
  return holder !== null && owners.isAlive(holder);
}

function hasEnded(layout: Layout, lease: LeaseRecord): boolean {
  if (isHeld(layout, lease)) return false;
  return lease.expiresAt <= layout.now() || lease.blobs.size === 0;
}

function nodesOf({ blobs }: LeaseRecord): { digest: Digest; mediaType: string }[] {
  return [...blobs].map(([digest, mediaType]) => ({ digest, mediaType }));
}
