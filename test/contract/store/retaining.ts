import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { imageOf, indexOf, randomBlob } from '../../support/blobs.ts';
import {
  expectGone,
  expectWhole,
  type Fixture,
  freshImage,
  freshName,
  importImage,
  owner,
  put,
  putImage,
  putIndex,
  siblingOf,
} from './fixture.ts';

export function retainingContract(fixture: Fixture): void {
  it('keeps the config and the layers of a manifest that has a name', async () => {
    const lease = await fixture.store.openLease({ owner });
    const [image, other] = [freshImage(), randomBlob(1000)];
    await putImage(lease, image);
    await put(lease, other);
    await lease.nameImage({ name: freshName(), target: image.target });
    await lease.release();
    await expectGone(fixture.store, [other]);
    await expectWhole(fixture.store, image.blobs);
  });

  it('keeps everything that an index leads to', async () => {
    const lease = await fixture.store.openLease({ owner });
    const other = randomBlob(1000);
    const index = indexOf([
      { image: freshImage(), platform: { os: 'linux', architecture: 'amd64' } },
      { image: freshImage(), platform: { os: 'linux', architecture: 's390x' } },
    ]);
    await putIndex(lease, index);
    await put(lease, other);
    await lease.nameImage({ name: freshName(), target: index.target });
    await lease.release();
    await expectGone(fixture.store, [other]);
    await expectWhole(fixture.store, index.blobs);
  });

  it('keeps what is there of an index whose other platforms were not saved', async () => {
    const lease = await fixture.store.openLease({ owner });
    const saved = freshImage();
    const absent = freshImage().target;
    const index = indexOf([{ image: saved, platform: { os: 'linux', architecture: 'amd64' } }], [absent]);
    await putImage(lease, saved);
    await put(lease, index.index);
    await lease.retain(index.target, { manifests: [saved.target, absent] });
    await lease.nameImage({ name: freshName(), target: index.target });
    await lease.release();
    await expectWhole(fixture.store, index.blobs);
  });

  it('keeps a layer of two images until the last of them has no name', async () => {
    const shared = randomUUID();
    const [first, second] = [imageOf([shared, randomUUID()]), imageOf([shared, randomUUID()])];
    const [firstName, secondName] = [freshName(), freshName()];
    await importImage(fixture.store, firstName, first);
    await importImage(fixture.store, secondName, second);
    await fixture.store.removeImage(firstName);
    await fixture.store.removeImage(siblingOf(firstName, first));
    await expectGone(fixture.store, [first.manifest, first.config, ...first.layers.slice(1)]);
    await expectWhole(fixture.store, second.blobs);
    await fixture.store.removeImage(secondName);
    await fixture.store.removeImage(siblingOf(secondName, second));
    await expectGone(fixture.store, second.blobs);
  });

  it('keeps what a name reaches while a lease on it comes and goes', async () => {
    const image = freshImage();
    await importImage(fixture.store, freshName(), image);
    const lease = await fixture.store.openLease({ owner });
    const { whole } = await lease.claim({ blobs: image.blobs.map(({ descriptor }) => descriptor) });
    expect(whole.size).toBe(image.blobs.length);
    await lease.release();
    await expectWhole(fixture.store, image.blobs);
  });

  it('cannot retain for a parent that is not here', async () => {
    await using lease = await fixture.store.openLease({ owner });
    const image = freshImage();
    await expect(lease.retain(image.target, { config: image.config.descriptor })).rejects.toMatchObject({
      name: 'ImgctlError',
      code: 'blob_unknown',
    });
  });
}
