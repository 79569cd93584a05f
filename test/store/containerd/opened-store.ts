import { openContainerdStore } from '../../../src/store/containerd/containerd-store.ts';
import { Connection } from '../../../src/store/containerd/grpc/connection.ts';
import { deleteLease, LeaseHolder } from '../../../src/store/containerd/lease-holder.ts';
import type { Lease, Store } from '../../../src/store/store.ts';
import { chunksOf, type TestBlob, type TestImage } from '../../support/blobs.ts';
import type { ContainerdDaemon } from '../../support/containerd/daemon.ts';

/** A namespace that the CRI does not look into. */
export const namespace = 'imgctl-test';

export function openStore(
  daemon: ContainerdDaemon,
  options: { readonly namespace?: string; readonly leaseLifetimeMs?: number } = {},
): Promise<Store> {
  return openContainerdStore({ address: daemon.socket, namespace, ...options });
}

export async function put(lease: Lease, ...blobs: readonly TestBlob[]): Promise<void> {
  for (const { descriptor, bytes } of blobs) await lease.write(descriptor, 0, chunksOf(bytes));
}

/** Writes an image, unpacks it and ties it together: everything but its name. */
export async function putImage(lease: Lease, image: TestImage): Promise<void> {
  await put(lease, ...image.blobs);
  await lease.retain(image.target, {
    config: image.config.descriptor,
    layers: image.layers.map(({ descriptor }) => descriptor),
  });
  for (const layer of image.layers) await lease.unpacker?.unpackLayer(layer);
  const top = image.layers.at(-1)?.chainId;
  if (top !== undefined) await lease.unpacker?.retainSnapshot(image.config.descriptor, top);
}

/** Garbage collection, now: it follows the end of any lease. */
export async function collectGarbage(daemon: ContainerdDaemon): Promise<void> {
  using connection = new Connection(daemon.socket, namespace);
  const dummy = await LeaseHolder.open({ connection, owner: 'garbage', lifetimeMs: 60_000 });
  await dummy.leave();
  await deleteLease(connection, dummy.id, { sync: true });
}

/** What tests left on purpose: the next one starts with none. */
export async function removeLeases(daemon: ContainerdDaemon): Promise<void> {
  for (const { id } of await daemon.leases(namespace))
    await daemon.ctr(['-n', namespace, 'leases', 'rm', '--sync', id]);
}

/** Keys of snapshots in which a layer is being unpacked, or was left half-way. */
export async function extractions(daemon: ContainerdDaemon, of = namespace): Promise<string[]> {
  const { stdout } = await daemon.ctr(['-n', of, 'snapshots', 'ls']);
  return stdout.split('\n').filter((line) => line.includes('extract-'));
}

/** `length` bytes of the blob from `offset` on, then silence. */
export async function* silentAfter(
  { bytes }: TestBlob,
  length: number,
  offset = 0,
): AsyncGenerator<Uint8Array> {
  yield* chunksOf(bytes.subarray(offset, offset + length));
  await new Promise(() => {});
}

/** Half of the blob, then whatever `between` does, then the other half. */
export async function* halves(
  { bytes }: TestBlob,
  between: () => Promise<unknown>,
): AsyncGenerator<Uint8Array> {
  const middle = Math.floor(bytes.byteLength / 2);
  yield* chunksOf(bytes.subarray(0, middle));
  await between();
  yield* chunksOf(bytes.subarray(middle));
}
