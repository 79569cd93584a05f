import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { Store } from '../../../src/store/store.ts';
import { bytesOf, chunksOf, randomBlob } from '../../support/blobs.ts';
import { type ContainerdDaemon, startContainerd } from '../../support/containerd/daemon.ts';
import { describeContainerd } from '../../support/require-containerd.ts';
import { namespace, openStore, put, removeLeases, silentAfter } from './opened-store.ts';
import { startOtherWriter } from './other-writer.ts';

describeContainerd('writing blobs to containerd', (generation) => {
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

  it('goes on over another connection with what a broken one brought', async () => {
    const blob = randomBlob(5_000_000);
    const first = await store.openLease({ owner: 'resume' });
    const abort = new AbortController();
    const writing = first.write(blob.descriptor, 0, silentAfter(blob, 3_000_000), {
      signal: abort.signal,
      onProgress: () => setTimeout(() => abort.abort(), 50),
    });
    await expect(writing).rejects.toThrow();
    await first.leave();

    await using other = await openStore(daemon);
    await using lease = await other.openLease({ owner: 'resume' });
    const { partial } = await lease.claim({ blobs: [blob.descriptor] });
    const held = partial.get(blob.descriptor.digest) ?? 0;
    expect(held).toBe(3_000_000);
    await lease.write(blob.descriptor, held, chunksOf(blob.bytes.subarray(held)));
    expect((await bytesOf(other.read(blob.descriptor.digest))).equals(blob.bytes)).toBe(true);
    await lease.release();
  });

  it('waits for another process that writes the same blob, and goes on when that one is gone', async () => {
    const blob = randomBlob(2_000_000);
    const other = await startOtherWriter(daemon, 'somebody', blob, 1_048_576);
    await using lease = await store.openLease({ owner: 'waiting' });
    const { partial } = await lease.claim({ blobs: [blob.descriptor] });
    const held = partial.get(blob.descriptor.digest) ?? 0;
    expect(held).toBeGreaterThan(0);
    let isDone = false;
    const writing = lease.write(blob.descriptor, held, chunksOf(blob.bytes.subarray(held))).finally(() => {
      isDone = true;
    });
    await delay(1500);
    expect(isDone).toBe(false);
    await other.kill();
    await writing;
    expect((await bytesOf(store.read(blob.descriptor.digest))).equals(blob.bytes)).toBe(true);
    await lease.release();
  });

  it('stops waiting for another process on the signal', async () => {
    const blob = randomBlob(2_000_000);
    const other = await startOtherWriter(daemon, 'somebody', blob, 1_048_576);
    try {
      await using lease = await store.openLease({ owner: 'waiting' });
      const { partial } = await lease.claim({ blobs: [blob.descriptor] });
      const held = partial.get(blob.descriptor.digest) ?? 0;
      const signal = AbortSignal.timeout(300);
      await expect(
        lease.write(blob.descriptor, held, chunksOf(blob.bytes.subarray(held)), { signal }),
      ).rejects.toMatchObject({ name: /AbortError|TimeoutError/ });
    } finally {
      await other.kill();
    }
  });

  it('leaves nothing of a large blob whose bytes are wrong', async () => {
    await using lease = await store.openLease({ owner: 'wrong' });
    const [blob, other] = [randomBlob(3_000_000), randomBlob(3_000_000)];
    await expect(lease.write(blob.descriptor, 0, chunksOf(other.bytes))).rejects.toMatchObject({
      code: 'digest_mismatch',
      message: expect.stringContaining(other.descriptor.digest),
      context: { digest: blob.descriptor.digest },
    });
    expect(await daemon.ingests(namespace)).toEqual([]);
    await put(lease, blob);
    await lease.release();
  });

  it('takes over a blob that another namespace has without reading its chunks', async () => {
    await using moby = await openStore(daemon, { namespace: 'moby' });
    await using there = await moby.openLease({ owner: 'docker' });
    const blobs = [randomBlob(10), randomBlob(2_000_000)];
    await put(there, ...blobs);

    await using lease = await store.openLease({ owner: 'shared' });
    const descriptors = blobs.map(({ descriptor }) => descriptor);
    expect((await store.sizesOf(descriptors.map(({ digest }) => digest))).size).toBe(0);
    const { whole } = await lease.claim({ blobs: descriptors });
    expect(whole).toEqual(new Set(descriptors.map(({ digest }) => digest)));
    await there.release();
    for (const { descriptor, bytes } of blobs)
      expect((await bytesOf(store.read(descriptor.digest))).equals(bytes)).toBe(true);
    await lease.release();
  });

  it('notes where else a blob can be had', async () => {
    await using lease = await store.openLease({ owner: 'labels' });
    const blob = randomBlob(1000);
    await lease.write(blob.descriptor, 0, chunksOf(blob.bytes), {
      repositories: [
        { registry: 'docker.io', repository: 'library/app' },
        { registry: 'docker.io', repository: 'library/web' },
        { registry: 'ghcr.io', repository: 'team/app' },
      ],
    });
    const { stdout } = await daemon.ctr(['-n', namespace, 'content', 'ls']);
    const line = stdout.split('\n').find((text) => text.startsWith(blob.descriptor.digest));
    expect(line).toContain('containerd.io/distribution.source.docker.io=library/app,library/web');
    expect(line).toContain('containerd.io/distribution.source.ghcr.io=team/app');
    await lease.release();
  });

  it('leaves no lease, no ingest and no blob behind', async () => {
    await using lease = await store.openLease({ owner: 'tidy' });
    const blob = randomBlob(2_000_000);
    await expect(
      lease.write(blob.descriptor, 0, silentAfter(blob, 1_500_000), { signal: AbortSignal.timeout(200) }),
    ).rejects.toThrow();
    await lease.claim({ blobs: [blob.descriptor] });
    await lease.release();
    expect(await daemon.ingests(namespace)).toEqual([]);
    expect(await daemon.leases(namespace)).toEqual([]);
    expect((await daemon.ctr(['-n', namespace, 'content', 'ls', '-q'])).stdout).toBe('');
  });
});
