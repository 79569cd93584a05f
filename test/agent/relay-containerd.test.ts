import { afterAll, beforeAll, expect, it } from 'vitest';
import { openContainerdStore } from '../../src/store/containerd/containerd-store.ts';
import { createMemoryStore } from '../../src/store/memory/memory-store.ts';
import type { Store } from '../../src/store/store.ts';
import { bytesOf, chunksOf, randomBlob } from '../support/blobs.ts';
import { type ContainerdDaemon, startContainerd } from '../support/containerd/daemon.ts';
import { describeContainerd } from '../support/require-containerd.ts';
import { startRouteOver } from './relay-route.ts';

const MiB = 1024 * 1024;

describeContainerd('a route through agents in front of real stores', (generation) => {
  let daemon: ContainerdDaemon;
  beforeAll(async () => {
    daemon = await startContainerd(generation);
  }, 60_000);
  afterAll(() => daemon.stop());

  const open = (namespace: string) => openContainerdStore({ address: daemon.socket, namespace });

  it('brings the blob to each, also to two agents in front of one store', async () => {
    const stores: Store[] = [await open('one'), await open('two'), await open('two'), createMemoryStore()];
    await using route = await startRouteOver(stores);
    const blob = randomBlob(40 * MiB);

    const result = await route.send(blob);

    expect(result.error).toBeUndefined();
    expect(result.relay.map(({ ok }) => ok)).toEqual([true, true, true]);
    for (const store of stores)
      expect((await bytesOf(store.read(blob.descriptor.digest))).equals(blob.bytes)).toBe(true);
  }, 60_000);

  it('keeps what came when the bytes turn out wrong or end, and goes on from there', async () => {
    await using route = await startRouteOver([await open('three'), await open('four')]);
    const blob = randomBlob(20 * MiB);
    const { digest } = blob.descriptor;
    const broken = async function* () {
      yield* chunksOf(blob.bytes.subarray(0, 10 * MiB), MiB);
      throw new Error('the archive broke');
    };

    await expect(route.send(blob, { body: broken })).rejects.toThrow('the archive broke');
    const wrong = await route.send(blob, { body: () => chunksOf(Buffer.alloc(20 * MiB), MiB) });
    expect(wrong).toMatchObject({ error: { code: 'digest_mismatch', context: { digest } } });
    expect(wrong.relay).toMatchObject([{ ok: false, error: { code: 'digest_mismatch' } }]);
    const right = await route.send(blob);

    expect(right.error).toBeUndefined();
    expect(right.relay).toEqual([{ node: 'n1', ok: true }]);
  }, 60_000);
});
