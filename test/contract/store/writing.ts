import { expect, it } from 'vitest';
import { bytesOf, chunksOf, randomBlob } from '../../support/blobs.ts';
import {
  expectGone,
  expectWhole,
  type Fixture,
  owner,
  partialOf,
  put,
  silentAfter,
  untouchable,
  wholeOf,
} from './fixture.ts';

export function writingContract(fixture: Fixture): void {
  it('keeps a blob that has its digest and its size', async () => {
    await using lease = await fixture.store.openLease({ owner });
    const blob = randomBlob(1000);
    await put(lease, blob);
    await expectWhole(fixture.store, [blob]);
  });

  it('keeps a blob of no bytes', async () => {
    await using lease = await fixture.store.openLease({ owner });
    const empty = randomBlob(0);
    await put(lease, empty);
    await expectWhole(fixture.store, [empty]);
    expect(await bytesOf(fixture.store.read(empty.descriptor.digest))).toHaveLength(0);
  });

  it.each([[[1, 65_537, 4095]], [[1_048_576]], [[700_001]]])(
    'keeps 5 MiB that arrive in chunks of %j bytes',
    async (sizes) => {
      await using lease = await fixture.store.openLease({ owner });
      const blob = randomBlob(5 * 1024 * 1024);
      await lease.write(blob.descriptor, 0, chunksOf(blob.bytes, ...sizes));
      const read = await bytesOf(fixture.store.read(blob.descriptor.digest));
      expect(read.equals(blob.bytes)).toBe(true);
    },
  );

  it('takes chunks of no bytes as nothing', async () => {
    await using lease = await fixture.store.openLease({ owner });
    const blob = randomBlob(10);
    async function* chunks() {
      yield new Uint8Array();
      yield blob.bytes;
      yield new Uint8Array();
    }
    await lease.write(blob.descriptor, 0, chunks());
    await expectWhole(fixture.store, [blob]);
  });

  it('tells how far it is: rising offsets that end with the size', async () => {
    await using lease = await fixture.store.openLease({ owner });
    const blob = randomBlob(300_000);
    const offsets: number[] = [];
    await lease.write(blob.descriptor, 0, chunksOf(blob.bytes, 10_000), {
      onProgress: (o) => offsets.push(o),
    });
    expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
    expect(offsets.at(-1)).toBe(300_000);
  });

  it('does not read the chunks of a blob that is whole', async () => {
    await using lease = await fixture.store.openLease({ owner });
    const blob = randomBlob(1000);
    await put(lease, blob);
    await lease.write(blob.descriptor, 0, untouchable());
    await expectWhole(fixture.store, [blob]);
  });

  it('refuses bytes of another digest, keeps nothing of them, and takes the right ones next', async () => {
    await using lease = await fixture.store.openLease({ owner });
    const blob = randomBlob(100_000);
    const other = randomBlob(100_000);
    await expect(lease.write(blob.descriptor, 0, chunksOf(other.bytes))).rejects.toMatchObject({
      name: 'ImgctlError',
      code: 'digest_mismatch',
    });
    expect(await partialOf(lease, blob)).toBeUndefined();
    expect(await wholeOf(fixture.store, [blob, other])).toEqual([false, false]);
    await put(lease, blob);
    await expectWhole(fixture.store, [blob]);
  });

  it.each([
    ['fewer bytes than its descriptor says', 90_000],
    ['more bytes than its descriptor says', 110_000],
  ])('refuses a blob of %s, and keeps nothing of it', async (_, actual) => {
    await using lease = await fixture.store.openLease({ owner });
    const blob = randomBlob(actual);
    const lie = { ...blob.descriptor, size: 100_000 };
    await expect(lease.write(lie, 0, chunksOf(blob.bytes))).rejects.toMatchObject({
      name: 'ImgctlError',
      code: 'size_mismatch',
    });
    expect(await partialOf(lease, blob)).toBeUndefined();
    expect(await wholeOf(fixture.store, [blob])).toEqual([false]);
    await put(lease, blob);
    await expectWhole(fixture.store, [blob]);
  });

  it('refuses bytes behind the end although those before have the digest', async () => {
    await using lease = await fixture.store.openLease({ owner });
    const blob = randomBlob(1000);
    const longer = Buffer.concat([blob.bytes, Buffer.from('and more')]);
    await expect(lease.write(blob.descriptor, 0, chunksOf(longer, 100))).rejects.toMatchObject({
      code: 'size_mismatch',
    });
    expect(await wholeOf(fixture.store, [blob])).toEqual([false]);
    await put(lease, blob);
    await expectWhole(fixture.store, [blob]);
  });

  it('refuses an offset at which it holds nothing, tells its own, and reads no chunk', async () => {
    await using lease = await fixture.store.openLease({ owner });
    const blob = randomBlob(1000);
    await expect(lease.write(blob.descriptor, 500, untouchable())).rejects.toMatchObject({
      name: 'ImgctlError',
      code: 'offset_mismatch',
      context: { offset: 0 },
    });
    await put(lease, blob);
    await expectWhole(fixture.store, [blob]);
  });

  it('ends at once on the signal, also while the source is silent', async () => {
    await using lease = await fixture.store.openLease({ owner });
    const blob = randomBlob(200_000);
    const abort = new AbortController();
    const writing = lease.write(blob.descriptor, 0, silentAfter(100_000, blob), { signal: abort.signal });
    setTimeout(() => abort.abort(), 50);
    await expect(Promise.race([writing, silenceOf(2000)])).rejects.toMatchObject({
      name: /AbortError|ImgctlError/,
    });
    expect(await wholeOf(fixture.store, [blob])).toEqual([false]);
  });

  it('starts nothing when the signal has come already', async () => {
    await using lease = await fixture.store.openLease({ owner });
    const blob = randomBlob(1000);
    const signal = AbortSignal.abort();
    await expect(lease.write(blob.descriptor, 0, untouchable(), { signal })).rejects.toThrow();
    await lease.release();
    await expectGone(fixture.store, [blob]);
  });
}

async function silenceOf(ms: number): Promise<string> {
  await new Promise((resolve) => setTimeout(resolve, ms));
  return 'the write did not end';
}
