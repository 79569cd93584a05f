import { randomUUID } from 'node:crypto';
import { digestOf } from '../../image/digest.ts';
import { orAborted } from '../../streams/or-aborted.ts';
import type { LeaseResource } from './api/leases.ts';
import type { Connection } from './grpc/connection.ts';
import { WriteSession } from './write-session.ts';

/**
 * Keepers: small blobs under a lease whose gc labels refer to any number of other blobs and snapshots, which the lease
 * keeps through them (containerd, docs/garbage-collection.md). `AddResource` takes one thing a call, and each is a
 * transaction that containerd flushes to disk: 7,500 of them, 500 small images, take from 3 s (fast disk) to minutes,
 * one keeper takes 0.15 s. What a label refers to may be absent, and is kept from the moment it appears.
 */

/** Marks a keeper. */
export const keeperLabel = 'imgctl.dev/keeper';

const blobPrefix = 'containerd.io/gc.ref.content.';
const snapshotPrefix = 'containerd.io/gc.ref.snapshot.';

/** containerd takes messages of up to 16 MiB; a reference has about 150 bytes. */
const referencesEach = 20_000;

/** Labels that refer to blobs and snapshots, for as many keepers as it takes. */
export function referenceLabels(resources: readonly LeaseResource[]): Record<string, string>[] {
  const labels = resources.map(({ type, id }, i) => {
    const snapshotter = type.slice('snapshots/'.length);
    return [type === 'content' ? `${blobPrefix}${i}` : `${snapshotPrefix}${snapshotter}/${i}`, id] as const;
  });
  const keepers = Math.ceil(labels.length / referencesEach);
  return Array.from({ length: keepers }, (_, n) =>
    Object.fromEntries(labels.slice(n * referencesEach, (n + 1) * referencesEach)),
  );
}

/** What the labels of a keeper refer to. */
export function referredBy(labels: Readonly<Record<string, string>>): LeaseResource[] {
  return Object.entries(labels).flatMap(([label, id]) => {
    if (label.startsWith(blobPrefix)) return [{ type: 'content', id }];
    if (!label.startsWith(snapshotPrefix)) return [];
    return [{ type: `snapshots/${label.slice(snapshotPrefix.length).split('/')[0]}`, id }];
  });
}

export async function writeKeeper(
  connection: Connection,
  lease: string,
  labels: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): Promise<void> {
  // Different each time: two leases must not share one, whose labels would be those of the first
  const id = randomUUID();
  const bytes = Buffer.from(`${JSON.stringify({ id, about: 'what an unfinished imgctl import needs' })}\n`);
  await using session = new WriteSession(connection, {
    lease,
    ref: `imgctl-keeper-${id}`,
    total: bytes.byteLength,
    expected: digestOf(bytes),
  });
  await orAborted(session.commit(0, [bytes], { ...labels, [keeperLabel]: 'true' }), signal);
}
