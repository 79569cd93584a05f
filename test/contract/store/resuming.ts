import { expect, it } from 'vitest';
import type { Lease } from '../../../src/store/store.ts';
import { bytesOf, chunksOf, randomBlob, type TestBlob } from '../../support/blobs.ts';
import {
  brokenAfter,
  expectWhole,
  type Fixture,
  owner,
  partialOf,
  silentAfter,
  untouchable,
  wholeOf,
} from './fixture.ts';

export function resumingContract(fixture: Fixture): void {
  it('holds the bytes that arrived before the connection broke, and goes on from there', async () => {
    await using lease = await fixture.store.openLease({ owner });
    const blob = randomBlob(300_000);
    await breakOff(lease, blob, 100_000);
    expect(await wholeOf(fixture.store, [blob])).toEqual([false]);
    expect(await partialOf(lease, blob)).toBe(100_000);
    await goOn(lease, blob, 100_000);
    expect((await bytesOf(fixture.store.read(blob.descriptor.digest))).equals(blob.bytes)).toBe(true);
    expect(await partialOf(lease, blob)).toBeUndefined();
  });

  it('goes on as often as the connection breaks', async () => {
    await using lease = await fixture.store.openLease({ owner });
    const blob = randomBlob(300_000);
    await breakOff(lease, blob, 100_000);
    for (const end of [100_001, 200_000, 299_999]) {
      const offset = (await partialOf(lease, blob)) ?? 0;
      const rest = { ...blob, bytes: blob.bytes.subarray(offset) };
      await expect(lease.write(blob.descriptor, offset, brokenAfter(end - offset, rest))).rejects.toThrow();
    }
    await goOn(lease, blob, 299_999);
    await expectWhole(fixture.store, [blob]);
  });

  it('holds the bytes that arrived before the signal, and goes on from there', async () => {
    await using lease = await fixture.store.openLease({ owner });
    const blob = randomBlob(6_000_000);
    const abort = new AbortController();
    let told = 0;
    const writing = lease.write(blob.descriptor, 0, silentAfter(5_000_000, blob), {
      signal: abort.signal,
      onProgress(offset) {
        told = offset;
        if (offset >= 2_000_000) setTimeout(() => abort.abort(), 20);
      },
    });
    await expect(writing).rejects.toThrow();
    const held = (await partialOf(lease, blob)) ?? 0;
    expect(held).toBeGreaterThanOrEqual(told);
    expect(held).toBeLessThanOrEqual(5_000_000);
    await goOn(lease, blob, held);
    await expectWhole(fixture.store, [blob]);
  });

  it.each([0, 99_999, 100_001])('refuses to go on from %i where it holds 100000 bytes', async (offset) => {
    await using lease = await fixture.store.openLease({ owner });
    const blob = randomBlob(300_000);
    await breakOff(lease, blob, 100_000);
    await expect(lease.write(blob.descriptor, offset, untouchable())).rejects.toMatchObject({
      code: 'offset_mismatch',
      context: { offset: 100_000 },
    });
    expect(await partialOf(lease, blob)).toBe(100_000);
  });

  it('finishes a blob of which every byte arrived before the connection broke', async () => {
    await using lease = await fixture.store.openLease({ owner });
    const blob = randomBlob(100_000);
    await breakOff(lease, blob, 100_000);
    await goOn(lease, blob, (await partialOf(lease, blob)) ?? 0);
    await expectWhole(fixture.store, [blob]);
  });

  it('keeps nothing of a blob whose second half is of another one', async () => {
    await using lease = await fixture.store.openLease({ owner });
    const blob = randomBlob(200_000);
    const other = randomBlob(100_000);
    await breakOff(lease, blob, 100_000);
    await expect(lease.write(blob.descriptor, 100_000, chunksOf(other.bytes))).rejects.toMatchObject({
      code: 'digest_mismatch',
    });
    expect(await partialOf(lease, blob)).toBeUndefined();
    await goOn(lease, blob, 0);
    await expectWhole(fixture.store, [blob]);
  });

  it('goes on after the lease was left', async () => {
    const first = await fixture.store.openLease({ owner });
    const blob = randomBlob(300_000);
    await breakOff(first, blob, 100_000);
    await first.leave();
    await using next = await fixture.store.openLease({ owner });
    expect(await partialOf(next, blob)).toBe(100_000);
    await goOn(next, blob, 100_000);
    await expectWhole(fixture.store, [blob]);
  });

  it.for([
    ['left its lease', true],
    ['died', false],
  ] as const)('goes on after the process %s and started again', async ([, leaves], { skip }) => {
    const first = await fixture.store.openLease({ owner });
    const [part, whole] = [randomBlob(300_000), randomBlob(1000)];
    await first.claim({ blobs: [part.descriptor, whole.descriptor] });
    await breakOff(first, part, 100_000);
    await goOn(first, whole, 0);
    if (leaves) await first.leave();
    if (!(await fixture.reopen())) skip('this store cannot be reopened');
    await using next = await fixture.store.openLease({ owner });
    const holdings = await next.claim({ blobs: [part.descriptor, whole.descriptor] });
    expect(holdings.partial).toEqual(new Map([[part.descriptor.digest, 100_000]]));
    expect(holdings.whole).toEqual(new Set([whole.descriptor.digest]));
    await goOn(next, part, 100_000);
    await expectWhole(fixture.store, [part, whole]);
  });
}

async function breakOff(lease: Lease, blob: TestBlob, after: number): Promise<void> {
  await expect(lease.write(blob.descriptor, 0, brokenAfter(after, blob))).rejects.toThrow();
}

async function goOn(lease: Lease, { descriptor, bytes }: TestBlob, offset: number): Promise<void> {
  await lease.write(descriptor, offset, chunksOf(bytes.subarray(offset)));
}
