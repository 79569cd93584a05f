import { randomUUID } from 'node:crypto';
import { digestOf } from '../../image/digest.ts';
import { Limiter } from '../../streams/limiter.ts';
import { type LeaseResource, leases } from './api/leases.ts';
import type { CallOptions, Connection } from './grpc/connection.ts';
import { orAborted } from './or-aborted.ts';
import { WriteSession } from './write-session.ts';

/** What a lease keeps: `content`, `ingests` and `snapshots/<snapshotter>`. */

export function blobResource(digest: string): LeaseResource {
  return { type: 'content', id: digest };
}

export function snapshotResource(snapshotter: string, name: string): LeaseResource {
  return { type: `snapshots/${snapshotter}`, id: name };
}

/** @throws ImgctlError `lease_lost` */
export async function resourcesOf(
  connection: Connection,
  lease: string,
  options: CallOptions = {},
): Promise<readonly LeaseResource[]> {
  return (await connection.unary(leases.listResources, { id: lease }, options)).resources;
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

/** containerd takes messages of up to 16 MiB; a reference has about 150 bytes. */
const referencesEach = 20_000;

/**
 * Puts any number of things, there or not, under a lease: one small blob, leased, whose gc labels refer to them.
 * `addResource` takes one thing a call, and each is a transaction that containerd flushes to disk: 7,500 of them, 500
 * small images, take from 3 s (fast disk) to minutes, the one blob 0.15 s. What a label refers to is kept from the
 * moment it appears. Labels cannot refer to ingests: those, a handful, are added one by one.
 */
export async function keepUnder(
  connection: Connection,
  lease: string,
  resources: Iterable<LeaseResource>,
  options: CallOptions = {},
): Promise<void> {
  const limiter = new Limiter(8);
  const added: Promise<void>[] = [];
  const references: [label: string, id: string][] = [];
  for (const { type, id } of resources) {
    if (type === 'ingests')
      added.push(limiter.run(() => addResource(connection, lease, { type, id }, options), options.signal));
    else references.push([`${labelOf(type)}${references.length}`, id]);
  }
  for (let at = 0; at < references.length; at += referencesEach) {
    const labels = Object.fromEntries(references.slice(at, at + referencesEach));
    await orAborted(writeKeeper(connection, lease, labels), options.signal);
  }
  await Promise.all(added);
}

/** containerd, docs/garbage-collection.md: what follows the `.` of a blob's label, or the `/` of a snapshot's, is free. */
function labelOf(type: string): string {
  return type === 'content'
    ? 'containerd.io/gc.ref.content.'
    : `containerd.io/gc.ref.snapshot.${type.slice('snapshots/'.length)}/`;
}

async function writeKeeper(
  connection: Connection,
  lease: string,
  labels: Readonly<Record<string, string>>,
): Promise<void> {
  // Different each time: two leases must not share one, whose labels would be those of the first
  const id = randomUUID();
  const bytes = Buffer.from(`${JSON.stringify({ id, about: 'what an unfinished imgctl import needs' })}\n`);
  await using session = new WriteSession(connection, {
    lease,
    ref: `imgctl-keep-${id}`,
    total: bytes.byteLength,
    expected: digestOf(bytes),
  });
  await session.commit(0, [bytes], labels);
}
