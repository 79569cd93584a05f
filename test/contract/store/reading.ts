import { expect, it } from 'vitest';
import { bytesOf, randomBlob, type TestBlob } from '../../support/blobs.ts';
import { brokenAfter, type Fixture, owner, partialOf, put } from './fixture.ts';

export function readingContract(fixture: Fixture): void {
  it.each([
    ['all of it', {}, 0, 2_500_000],
    ['from an offset on', { offset: 1_000_001 }, 1_000_001, 2_500_000],
    ['a length from the start', { length: 17 }, 0, 17],
    ['a length from an offset', { offset: 1_048_570, length: 1_000_000 }, 1_048_570, 2_048_570],
    ['up to the end where the length goes beyond', { offset: 2_499_990, length: 100 }, 2_499_990, 2_500_000],
    ['nothing from the end on', { offset: 2_500_000 }, 0, 0],
    ['nothing of no length', { offset: 10, length: 0 }, 0, 0],
  ])('reads %s', async (_, range, from, to) => {
    await using lease = await fixture.store.openLease({ owner });
    const blob = randomBlob(2_500_000);
    await put(lease, blob);
    const read = await bytesOf(fixture.store.read(blob.descriptor.digest, range));
    expect(read.equals(blob.bytes.subarray(from, to))).toBe(true);
  });

  it('gives each reader chunks of its own', async () => {
    await using lease = await fixture.store.openLease({ owner });
    const blob = randomBlob(100_000);
    await put(lease, blob);
    for await (const chunk of fixture.store.read(blob.descriptor.digest)) chunk.fill(0);
    expect((await bytesOf(fixture.store.read(blob.descriptor.digest))).equals(blob.bytes)).toBe(true);
  });

  it('does not know a blob that was never written', async () => {
    await expectUnknown(fixture, randomBlob(10));
  });

  it('does not read a blob that is not whole, nor count it', async () => {
    await using lease = await fixture.store.openLease({ owner });
    const [part, whole, never] = [randomBlob(2000), randomBlob(1000), randomBlob(10)];
    await expect(lease.write(part.descriptor, 0, brokenAfter(1000, part))).rejects.toThrow();
    await put(lease, whole);
    expect(await partialOf(lease, part)).toBe(1000);
    await expectUnknown(fixture, part);
    const digests = [part, whole, never].map(({ descriptor }) => descriptor.digest);
    expect(await fixture.store.sizesOf(digests)).toEqual(new Map([[whole.descriptor.digest, 1000]]));
  });

  it('ends a read on the signal', async () => {
    await using lease = await fixture.store.openLease({ owner });
    const blob = randomBlob(3_000_000);
    await put(lease, blob);
    const abort = new AbortController();
    const reading = async () => {
      for await (const _ of fixture.store.read(blob.descriptor.digest, {}, abort.signal)) abort.abort();
    };
    await expect(reading()).rejects.toThrow();
  });
}

async function expectUnknown({ store }: Fixture, { descriptor }: TestBlob): Promise<void> {
  await expect(bytesOf(store.read(descriptor.digest))).rejects.toMatchObject({
    name: 'ImgctlError',
    code: 'blob_unknown',
  });
}
