import { expect, it } from 'vitest';
import { chunksOf, randomBlob } from '../../support/blobs.ts';
import {
  brokenAfter,
  expectGone,
  expectWhole,
  type Fixture,
  owner,
  partialOf,
  put,
  untouchable,
} from './fixture.ts';

export function leasesContract(fixture: Fixture): void {
  it('tells what is whole, what is partly there and what is missing of a claim', async () => {
    await using lease = await fixture.store.openLease({ owner });
    const [whole, part, missing] = [randomBlob(1000), randomBlob(2000), randomBlob(3000)];
    const claim = { blobs: [whole.descriptor, part.descriptor, missing.descriptor] };
    expect(await lease.claim(claim)).toEqual({ whole: new Set(), partial: new Map(), unpacked: new Set() });
    await put(lease, whole);
    await expect(lease.write(part.descriptor, 0, brokenAfter(700, part))).rejects.toThrow();
    expect(await lease.claim(claim)).toEqual({
      whole: new Set([whole.descriptor.digest]),
      partial: new Map([[part.descriptor.digest, 700]]),
      unpacked: new Set(),
    });
  });

  it('keeps what was claimed under one lease while another that wrote it is released', async () => {
    const [first, second] = [
      await fixture.store.openLease({ owner }),
      await fixture.store.openLease({ owner }),
    ];
    const blob = randomBlob(1000);
    await put(first, blob);
    await second.claim({ blobs: [blob.descriptor] });
    await first.release();
    await expectWhole(fixture.store, [blob]);
    await second.release();
    await expectGone(fixture.store, [blob]);
  });

  it('keeps a blob that was claimed before it came', async () => {
    const [first, second] = [
      await fixture.store.openLease({ owner }),
      await fixture.store.openLease({ owner }),
    ];
    const blob = randomBlob(1000);
    await second.claim({ blobs: [blob.descriptor] });
    await put(first, blob);
    await first.release();
    await expectWhole(fixture.store, [blob]);
    await second.release();
  });

  it('drops what no name keeps when it is released', async () => {
    const lease = await fixture.store.openLease({ owner });
    const [whole, part] = [randomBlob(1000), randomBlob(2000)];
    await put(lease, whole);
    await expect(lease.write(part.descriptor, 0, brokenAfter(700, part))).rejects.toThrow();
    await lease.release();
    await expectGone(fixture.store, [whole]);
    await using next = await fixture.store.openLease({ owner });
    expect(await partialOf(next, part)).toBeUndefined();
  });

  it.each([
    ['left', 'leave'],
    ['disposed of', 'dispose'],
  ])('keeps whole and partial blobs when it is %s', async (_, how) => {
    const lease = await fixture.store.openLease({ owner });
    const [whole, part] = [randomBlob(1000), randomBlob(2000)];
    await put(lease, whole);
    await expect(lease.write(part.descriptor, 0, brokenAfter(700, part))).rejects.toThrow();
    await (how === 'leave' ? lease.leave() : lease[Symbol.asyncDispose]());
    await expectWhole(fixture.store, [whole]);
    await using next = await fixture.store.openLease({ owner });
    expect(await partialOf(next, part)).toBe(700);
  });

  it('adopts what a left lease holds: released by its heir, it goes', async () => {
    const first = await fixture.store.openLease({ owner });
    const [whole, part] = [randomBlob(1000), randomBlob(2000)];
    await put(first, whole);
    await expect(first.write(part.descriptor, 0, brokenAfter(700, part))).rejects.toThrow();
    await first.leave();

    const heir = await fixture.store.openLease({ owner });
    const { whole: found, partial } = await heir.claim({ blobs: [whole.descriptor, part.descriptor] });
    expect(found).toEqual(new Set([whole.descriptor.digest]));
    expect(partial).toEqual(new Map([[part.descriptor.digest, 700]]));
    await heir.release();
    await expectGone(fixture.store, [whole]);
    await using next = await fixture.store.openLease({ owner });
    expect(await partialOf(next, part)).toBeUndefined();
  });

  it('leaves to a left lease what its heir did not claim', async () => {
    const first = await fixture.store.openLease({ owner });
    const [wanted, other] = [randomBlob(1000), randomBlob(1000)];
    await put(first, wanted, other);
    await first.leave();
    const heir = await fixture.store.openLease({ owner });
    await heir.claim({ blobs: [wanted.descriptor] });
    await heir.release();
    await expectGone(fixture.store, [wanted]);
    await expectWhole(fixture.store, [other]);
  });

  it('takes nothing from a lease that is in use', async () => {
    await using first = await fixture.store.openLease({ owner });
    const blob = randomBlob(1000);
    await put(first, blob);
    const second = await fixture.store.openLease({ owner });
    await second.claim({ blobs: [blob.descriptor] });
    await second.release();
    await expectWhole(fixture.store, [blob]);
  });

  it('is not left again when it is disposed of after its release', async () => {
    const blob = randomBlob(1000);
    {
      await using lease = await fixture.store.openLease({ owner });
      await put(lease, blob);
      await lease.release();
    }
    await expectGone(fixture.store, [blob]);
  });

  it.each([
    ['released', 'release'],
    ['left', 'leave'],
  ] as const)('takes nothing more once it is %s', async (_, end) => {
    const lease = await fixture.store.openLease({ owner });
    await lease[end]();
    const blob = randomBlob(1000);
    await expect(lease.write(blob.descriptor, 0, untouchable())).rejects.toMatchObject({
      code: 'lease_lost',
    });
  });

  it('holds nothing when it is released while nothing was written', async () => {
    const lease = await fixture.store.openLease({ owner });
    const blob = randomBlob(1000);
    await lease.claim({ blobs: [blob.descriptor] });
    await lease.release();
    await using next = await fixture.store.openLease({ owner });
    await next.write(blob.descriptor, 0, chunksOf(blob.bytes));
    await expectWhole(fixture.store, [blob]);
  });
}
