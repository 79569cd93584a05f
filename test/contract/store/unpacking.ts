import { expect, it } from 'vitest';
import type { Lease, Unpacker } from '../../../src/store/store.ts';
import type { TestLayer } from '../../support/blobs.ts';
import { type Fixture, freshImage, freshName, owner, putImage } from './fixture.ts';

export function unpackingContract(fixture: Fixture): void {
  it('tells which chain IDs are unpacked', async ({ skip }) => {
    await using lease = await fixture.store.openLease({ owner });
    const unpacker = lease.unpacker ?? skip('this store does not unpack');
    const image = freshImage();
    await putImage(lease, image);
    const [bottom] = image.layers;
    if (bottom !== undefined) await unpack(unpacker, bottom);
    expect(await unpackedOf(lease, image.layers)).toEqual([true, false]);
    for (const layer of image.layers) await unpack(unpacker, layer);
    expect(await unpackedOf(lease, image.layers)).toEqual([true, true]);
  });

  it('refuses a layer whose unpacked bytes do not have the diff ID', async ({ skip }) => {
    await using lease = await fixture.store.openLease({ owner });
    const unpacker = lease.unpacker ?? skip('this store does not unpack');
    const [image, other] = [freshImage(), freshImage()];
    await putImage(lease, image);
    const [layer] = image.layers;
    const [lie] = other.layers;
    if (layer === undefined || lie === undefined) return;
    const claimed = { ...layer, diffId: lie.diffId, chainId: lie.chainId };
    await expect(unpack(unpacker, claimed)).rejects.toMatchObject({
      name: 'ImgctlError',
      code: 'unpack_failed',
    });
    expect(await unpackedOf(lease, [claimed])).toEqual([false]);
  });

  it('refuses a layer whose parent is not unpacked', async ({ skip }) => {
    await using lease = await fixture.store.openLease({ owner });
    const unpacker = lease.unpacker ?? skip('this store does not unpack');
    const image = freshImage();
    await putImage(lease, image);
    const top = image.layers.at(-1);
    if (top !== undefined)
      await expect(unpack(unpacker, top)).rejects.toMatchObject({ code: 'unpack_failed' });
  });

  it('keeps the snapshots of an image that has a name, and drops the others', async ({ skip }) => {
    const lease = await fixture.store.openLease({ owner });
    const unpacker = lease.unpacker ?? skip('this store does not unpack');
    const [named, unnamed] = [freshImage(), freshImage()];
    for (const image of [named, unnamed]) {
      await putImage(lease, image);
      for (const layer of image.layers) await unpack(unpacker, layer);
      const top = image.layers.at(-1)?.chainId;
      if (top !== undefined) await unpacker.retainSnapshot(image.config.descriptor, top);
    }
    await lease.nameImage({ name: freshName(), target: named.target });
    await lease.release();
    await expect
      .poll(
        async () => {
          const asking = await fixture.store.openLease({ owner });
          const unpacked = await unpackedOf(asking, [...named.layers, ...unnamed.layers]);
          await asking.release();
          return unpacked;
        },
        { timeout: 5000 },
      )
      .toEqual([true, true, false, false]);
  });
}

async function unpack(unpacker: Unpacker, layer: TestLayer): Promise<void> {
  const { descriptor, diffId, chainId, parent } = layer;
  await unpacker.unpackLayer({ descriptor, diffId, chainId, parent });
}

async function unpackedOf(lease: Lease, layers: readonly TestLayer[]): Promise<boolean[]> {
  const { unpacked } = await lease.claim({ blobs: [], chainIds: layers.map(({ chainId }) => chainId) });
  return layers.map(({ chainId }) => unpacked.has(chainId));
}
