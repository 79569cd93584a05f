import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { Store } from '../../../src/store/store.ts';
import { chunksOf, imageOf, randomBlob } from '../../support/blobs.ts';
import { type ContainerdDaemon, startContainerd } from '../../support/containerd/daemon.ts';
import { describeContainerd } from '../../support/require-containerd.ts';
import { collectGarbage, halves, namespace, openStore, put, putImage, removeLeases } from './opened-store.ts';
import { startOtherWriter } from './other-writer.ts';

describeContainerd("imgctl's leases in containerd", (generation) => {
  let daemon: ContainerdDaemon;
  let store: Store;
  beforeAll(async () => {
    daemon = await startContainerd(generation);
    store = await openStore(daemon);
  });
  afterEach(() => removeLeases(daemon));
  afterAll(async () => {
    await store?.[Symbol.asyncDispose]();
    await daemon?.stop();
  });

  it('expire an hour ahead at most, and name their owner', async () => {
    await using _lease = await store.openLease({ owner: 'node-7' });
    const [lease, ...others] = await daemon.leases(namespace);
    expect(others).toEqual([]);
    expect(lease?.labels['imgctl.dev/owner']).toBe('node-7');
    const leftMs = Date.parse(lease?.labels['containerd.io/gc.expire'] ?? '') - Date.now();
    expect(leftMs).toBeGreaterThan(58 * 60 * 1000);
    expect(leftMs).toBeLessThanOrEqual(60 * 60 * 1000);
  });

  it('keep what is on its way, and what was there without a name, from garbage collection', async () => {
    await using lease = await store.openLease({ owner: 'gc' });
    const [there, small, large, absent] = [
      randomBlob(1000),
      randomBlob(1000),
      randomBlob(5_000_000),
      randomBlob(10),
    ];
    const image = imageOf(['bottom', 'top']);
    {
      await using earlier = await store.openLease({ owner: 'gc' });
      await put(earlier, there);
      await putImage(earlier, image);
    }
    const blobs = [there, small, large, absent, ...image.blobs].map(({ descriptor }) => descriptor);
    const chainIds = image.layers.map(({ chainId }) => chainId);
    await lease.claim({ blobs, chainIds });
    await lease.write(
      large.descriptor,
      0,
      halves(large, () => collectGarbage(daemon)),
    );
    await put(lease, small);
    await collectGarbage(daemon);

    const holdings = await lease.claim({ blobs, chainIds });
    expect(holdings.whole).toEqual(
      new Set(blobs.filter((blob) => blob !== absent.descriptor).map(({ digest }) => digest)),
    );
    expect(holdings.unpacked).toEqual(new Set(chainIds));
    await lease.release();
    expect((await store.sizesOf(blobs.map(({ digest }) => digest))).size).toBe(0);
    expect((await daemon.ctr(['-n', namespace, 'snapshots', 'ls'])).stdout).not.toContain('sha256:');
  });

  it('are adopted, with the partial blob, when their process was killed', async () => {
    const blob = randomBlob(3_000_000);
    const other = await startOtherWriter(daemon, 'node-a', blob, 2_000_000);
    await other.kill();
    await using lease = await store.openLease({ owner: 'node-a' });
    const { partial } = await lease.claim({ blobs: [blob.descriptor] });
    const held = partial.get(blob.descriptor.digest) ?? 0;
    expect(held).toBeGreaterThanOrEqual(1_000_000);
    expect(await daemon.leases(namespace)).toHaveLength(1);
    await collectGarbage(daemon);
    await lease.write(blob.descriptor, held, chunksOf(blob.bytes.subarray(held)));
    expect((await store.sizesOf([blob.descriptor.digest])).get(blob.descriptor.digest)).toBe(3_000_000);
    await lease.release();
    expect(await daemon.leases(namespace)).toEqual([]);
  });

  it('are left alone while their process lives, and when they are of another owner', async () => {
    const blob = randomBlob(3_000_000);
    const alive = await startOtherWriter(daemon, 'node-a', blob, 2_000_000);
    const stranger = await startOtherWriter(daemon, 'node-b', randomBlob(3_000_000), 2_000_000);
    await stranger.kill();
    try {
      await using lease = await store.openLease({ owner: 'node-a' });
      await lease.claim({ blobs: [blob.descriptor] });
      expect(await daemon.leases(namespace)).toHaveLength(3);
    } finally {
      await alive.kill();
    }
  });

  it('are renewed in time, also under a write that goes on', async () => {
    await using impatient = await openStore(daemon, { leaseLifetimeMs: 2000 });
    const lease = await impatient.openLease({ owner: 'renewed' });
    const [before, large] = [randomBlob(1000), randomBlob(5_000_000)];
    const image = imageOf(['renewed']);
    await lease.claim({ blobs: [large.descriptor] });
    await put(lease, before);
    await putImage(lease, image);
    const [first] = await daemon.leases(namespace);
    await lease.write(
      large.descriptor,
      0,
      halves(large, async () => {
        await delay(2600);
        await collectGarbage(daemon);
      }),
    );
    await expect
      .poll(async () => (await daemon.leases(namespace)).map(({ id }) => id))
      .not.toContain(first?.id);
    await collectGarbage(daemon);
    const blobs = [before, large, ...image.blobs].map(({ descriptor }) => descriptor);
    const { whole, unpacked } = await lease.claim({ blobs, chainIds: image.layers.map((l) => l.chainId) });
    expect(whole.size).toBe(blobs.length);
    expect(unpacked.size).toBe(1);
    await lease.release();
    expect(await daemon.leases(namespace)).toEqual([]);
  });

  it('say so when somebody deleted them', async () => {
    await using lease = await store.openLease({ owner: 'deleted' });
    const [{ id } = { id: '' }] = await daemon.leases(namespace);
    await daemon.ctr(['-n', namespace, 'leases', 'rm', id]);
    const [small, large] = [randomBlob(1000), randomBlob(2_000_000)];
    await expect(put(lease, small)).rejects.toMatchObject({ code: 'lease_lost' });
    await expect(put(lease, large)).rejects.toMatchObject({ code: 'lease_lost' });
    await expect(lease.claim({ blobs: [small.descriptor] })).rejects.toMatchObject({ code: 'lease_lost' });
    await lease.release();
  });
});
