import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { openContainerdStore } from '../../../src/store/containerd/containerd-store.ts';
import { chunksOf, randomBlob } from '../../support/blobs.ts';
import { startContainerd } from '../../support/containerd/daemon.ts';
import { describeContainerd } from '../../support/require-containerd.ts';
import { halves, namespace, openStore, put } from './opened-store.ts';

describeContainerd('a containerd in trouble', (generation) => {
  it('is reached again after it was killed half-way, and goes on with what it holds', async () => {
    await using stack = new AsyncDisposableStack();
    const daemon = await startContainerd(generation);
    stack.defer(() => daemon.stop());
    const store = stack.use(await openStore(daemon));
    const lease = stack.use(await store.openLease({ owner: 'restart' }));
    const [whole, blob] = [randomBlob(1000), randomBlob(6_000_000)];
    await lease.claim({ blobs: [whole.descriptor, blob.descriptor] });
    await put(lease, whole);
    const writing = lease.write(
      blob.descriptor,
      0,
      halves(blob, async () => {
        // Until containerd has written what is on its way
        await delay(500);
        await daemon.kill();
      }),
    );
    await expect(writing).rejects.toMatchObject({ code: 'store_unreachable' });
    await expect(store.info()).rejects.toMatchObject({ code: 'store_unreachable' });
    await expect(put(lease, randomBlob(10))).rejects.toMatchObject({ code: 'store_unreachable' });

    await daemon.restart();
    const holdings = await lease.claim({ blobs: [whole.descriptor, blob.descriptor] });
    expect(holdings.whole).toEqual(new Set([whole.descriptor.digest]));
    const held = holdings.partial.get(blob.descriptor.digest) ?? 0;
    expect(held).toBeGreaterThan(0);
    await lease.write(blob.descriptor, held, chunksOf(blob.bytes.subarray(held)));
    await lease.release();
    expect(await daemon.leases(namespace)).toEqual([]);
  });

  it('says that its disk is full', async () => {
    await using stack = new AsyncDisposableStack();
    const folder = mkdtempSync(join(tmpdir(), 'imgctl-full-'));
    stack.defer(() => rmSync(folder, { recursive: true, force: true }));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', folder]);
    stack.defer(() => void execFileSync('umount', ['--lazy', folder]));
    const daemon = await startContainerd(generation, { root: folder, snapshotter: 'native' });
    stack.defer(() => daemon.stop());
    const store = stack.use(await openStore(daemon));
    const lease = stack.use(await store.openLease({ owner: 'full' }));
    expect((await store.info()).freeBytes).toBeLessThan(24 * 1024 * 1024);
    await expect(put(lease, randomBlob(30_000_000))).rejects.toMatchObject({
      code: 'store_full',
      hint: expect.stringContaining('Remove images'),
    });
  });

  it('names the snapshotters that it has when another is asked for', async () => {
    await using stack = new AsyncDisposableStack();
    const daemon = await startContainerd(generation);
    stack.defer(() => daemon.stop());
    const address = `unix://${daemon.socket}`;
    await expect(openContainerdStore({ address, namespace, snapshotter: 'nydus' })).rejects.toMatchObject({
      code: 'usage',
      hint: expect.stringMatching(/overlayfs|native/),
    });
    await using store = await openContainerdStore({ address, namespace, snapshotter: 'native' });
    expect((await store.info()).snapshotter).toBe('native');
  });
});
