import { expect, it } from 'vitest';
import { bytesOf, chunksOf, randomBlob } from '../../support/blobs.ts';
import { expectWhole, type Fixture, owner, put, silentSource } from './fixture.ts';

export function concurrencyContract(fixture: Fixture): void {
  it('lets two writers of one blob both succeed, and holds it once', async () => {
    await using lease = await fixture.store.openLease({ owner });
    const blob = randomBlob(1_500_000);
    await Promise.all([put(lease, blob), put(lease, blob)]);
    expect((await bytesOf(fixture.store.read(blob.descriptor.digest))).equals(blob.bytes)).toBe(true);
  });

  it('keeps a blob that two leases wrote at once until both are released', async () => {
    const [first, second] = [
      await fixture.store.openLease({ owner }),
      await fixture.store.openLease({ owner }),
    ];
    const blob = randomBlob(1_500_000);
    await Promise.all([put(first, blob), put(second, blob)]);
    await first.release();
    await expectWhole(fixture.store, [blob]);
    await second.release();
  });

  it('gives a waiting writer its turn when the first one is broken off', async () => {
    await using lease = await fixture.store.openLease({ owner });
    const blob = randomBlob(1000);
    const [silence, abort] = [silentSource(), new AbortController()];
    const first = lease.write(blob.descriptor, 0, silence.chunks, { signal: abort.signal });
    await silence.asked;
    const second = lease.write(blob.descriptor, 0, chunksOf(blob.bytes));
    setTimeout(() => abort.abort(), 50);
    await expect(first).rejects.toThrow();
    await second;
    await expectWhole(fixture.store, [blob]);
  });

  it('lets a waiting writer go on the signal', async () => {
    await using lease = await fixture.store.openLease({ owner });
    const blob = randomBlob(1000);
    const silence = silentSource();
    const [abortFirst, abortSecond] = [new AbortController(), new AbortController()];
    const first = lease.write(blob.descriptor, 0, silence.chunks, { signal: abortFirst.signal });
    await silence.asked;
    const second = lease.write(blob.descriptor, 0, chunksOf(blob.bytes), { signal: abortSecond.signal });
    setTimeout(() => abortSecond.abort(), 50);
    await expect(second).rejects.toThrow();
    abortFirst.abort();
    await expect(first).rejects.toThrow();
  });

  it('takes 200 small blobs at once', async () => {
    await using lease = await fixture.store.openLease({ owner });
    const blobs = Array.from({ length: 200 }, (_, i) => randomBlob(i * 7));
    await lease.claim({ blobs: blobs.map(({ descriptor }) => descriptor) });
    await Promise.all(blobs.map((blob) => put(lease, blob)));
    await expectWhole(fixture.store, blobs);
  });
}
