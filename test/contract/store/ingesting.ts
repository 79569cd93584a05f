import { expect, it } from 'vitest';
import { bytesOf, chunksOf, randomBlob } from '../../support/blobs.ts';
import {
  brokenAfter,
  expectGone,
  expectWhole,
  type Fixture,
  owner,
  put,
  silentAfter,
  wholeOf,
} from './fixture.ts';

export function ingestingContract(fixture: Fixture): void {
  it.each([0, 1, 3_000_000])('answers the digest of %i bytes, and holds them', async (size) => {
    await using lease = await fixture.store.openLease({ owner });
    const blob = randomBlob(size);
    const digest = await lease.ingest(size, chunksOf(blob.bytes, 100_000));
    expect(digest).toBe(blob.descriptor.digest);
    expect((await bytesOf(fixture.store.read(digest))).equals(blob.bytes)).toBe(true);
  });

  it('answers the digest of what is there already', async () => {
    await using lease = await fixture.store.openLease({ owner });
    const blob = randomBlob(10_000);
    await put(lease, blob);
    expect(await lease.ingest(10_000, chunksOf(blob.bytes))).toBe(blob.descriptor.digest);
    await expectWhole(fixture.store, [blob]);
  });

  it.each([9999, 10_001])(
    'refuses 10000 bytes that were said to be %i, and keeps nothing of them',
    async (said) => {
      await using lease = await fixture.store.openLease({ owner });
      const blob = randomBlob(10_000);
      await expect(lease.ingest(said, chunksOf(blob.bytes, 1000))).rejects.toMatchObject({
        name: 'ImgctlError',
        code: 'size_mismatch',
      });
      expect(await wholeOf(fixture.store, [blob])).toEqual([false]);
    },
  );

  it('keeps nothing when the connection breaks or the signal comes', async () => {
    await using lease = await fixture.store.openLease({ owner });
    const blob = randomBlob(100_000);
    await expect(lease.ingest(100_000, brokenAfter(50_000, blob))).rejects.toThrow('connection reset');
    const signal = AbortSignal.timeout(50);
    await expect(lease.ingest(100_000, silentAfter(50_000, blob), { signal })).rejects.toThrow();
    const { partial, whole } = await lease.claim({ blobs: [blob.descriptor] });
    expect([partial.size, whole.size]).toEqual([0, 0]);
  });

  it('holds what was ingested under the lease, as what was written', async () => {
    const lease = await fixture.store.openLease({ owner });
    const blob = randomBlob(1000);
    await lease.ingest(1000, chunksOf(blob.bytes));
    await lease.release();
    await expectGone(fixture.store, [blob]);
  });

  it('takes several of the same bytes at once', async () => {
    await using lease = await fixture.store.openLease({ owner });
    const blob = randomBlob(1_500_000);
    const digests = await Promise.all(
      [1, 2, 3].map(() => lease.ingest(1_500_000, chunksOf(blob.bytes, 65_536))),
    );
    expect(new Set(digests)).toEqual(new Set([blob.descriptor.digest]));
    await expectWhole(fixture.store, [blob]);
  });
}
