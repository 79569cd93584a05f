import { expect, it } from 'vitest';
import { indexOf } from '../../support/blobs.ts';
import {
  expectGone,
  expectWhole,
  type Fixture,
  freshImage,
  freshName,
  importImage,
  owner,
  putImage,
  putIndex,
  siblingOf,
} from './fixture.ts';

const pinned = { 'io.cri-containerd.pinned': 'pinned' };

export function imagesContract(fixture: Fixture): void {
  it('gives an image its name, and repository@digest beside it', async () => {
    const [name, image] = [freshName(), freshImage()];
    await importImage(fixture.store, name, image);
    expect(await fixture.store.getImage(name)).toMatchObject({ name, target: image.target });
    const sibling = siblingOf(name, image);
    expect(await fixture.store.getImage(sibling)).toMatchObject({ name: sibling, target: image.target });
  });

  it('names an index as well', async () => {
    await using lease = await fixture.store.openLease({ owner });
    const index = indexOf([{ image: freshImage(), platform: { os: 'linux', architecture: 'amd64' } }]);
    const name = freshName();
    await putIndex(lease, index);
    await lease.nameImage({ name, target: index.target });
    expect(await fixture.store.getImage(name)).toMatchObject({ name, target: index.target });
  });

  it('lists every name once', async () => {
    const [name, image] = [freshName(), freshImage()];
    await importImage(fixture.store, name, image);
    await importImage(fixture.store, name, image);
    const found = (await fixture.store.listImages()).filter(
      ({ target }) => target.digest === image.target.digest,
    );
    expect(found.map((stored) => stored.name).sort()).toEqual([name, siblingOf(name, image)].sort());
  });

  it('keeps its names over a restart', async ({ skip }) => {
    const [name, image] = [freshName(), freshImage()];
    await importImage(fixture.store, name, image);
    if (!(await fixture.reopen())) skip('this store cannot be reopened');
    expect(await fixture.store.getImage(name)).toMatchObject({ name, target: image.target });
    await expectWhole(fixture.store, image.blobs);
  });

  it('does not know a name that was never given', async () => {
    expect(await fixture.store.getImage(freshName())).toBeUndefined();
  });

  it('moves a name to another image, and drops the one that has none left', async () => {
    const [name, before, after] = [freshName(), freshImage(), freshImage()];
    await importImage(fixture.store, name, before);
    await importImage(fixture.store, name, after);
    expect(await fixture.store.getImage(name)).toMatchObject({ target: after.target });
    // It has its name by digest still: pods may run from it
    await expectWhole(fixture.store, [...before.blobs, ...after.blobs]);
    await fixture.store.removeImage(siblingOf(name, before));
    await expectGone(fixture.store, before.blobs);
    await expectWhole(fixture.store, after.blobs);
  });

  it('pins an image whose record says so, under both names, and no other', async () => {
    const [name, other, image] = [freshName(), freshName(), freshImage()];
    await importImage(fixture.store, name, image, { pin: true });
    await importImage(fixture.store, other, freshImage());
    expect((await fixture.store.getImage(name))?.labels).toMatchObject(pinned);
    expect((await fixture.store.getImage(siblingOf(name, image)))?.labels).toMatchObject(pinned);
    expect((await fixture.store.getImage(other))?.labels).not.toHaveProperty(['io.cri-containerd.pinned']);
  });

  it('labels an image under both names, takes away labels without a value, and leaves others', async () => {
    const [name, image] = [freshName(), freshImage()];
    await importImage(fixture.store, name, image, { pin: true, labels: { 'example.com/mark': 'yes' } });
    const names = [name, siblingOf(name, image)];
    for (const each of names)
      expect((await fixture.store.getImage(each))?.labels).toMatchObject({
        ...pinned,
        'example.com/mark': 'yes',
      });
    await importImage(fixture.store, name, image, { labels: { 'example.com/other': 'too' } });
    await importImage(fixture.store, name, image, { labels: { 'example.com/mark': undefined } });
    for (const each of names) {
      const labels = (await fixture.store.getImage(each))?.labels;
      expect(labels).toMatchObject({ ...pinned, 'example.com/other': 'too' });
      expect(labels).not.toHaveProperty(['example.com/mark']);
    }
  });

  it('pins an image that was there without a pin', async () => {
    const [name, image] = [freshName(), freshImage()];
    await importImage(fixture.store, name, image);
    await importImage(fixture.store, name, image, { pin: true });
    expect((await fixture.store.getImage(name))?.labels).toMatchObject(pinned);
  });

  it('gives an image one more name, which keeps it when the first is removed', async () => {
    const [name, another, image] = [freshName(), freshName(), freshImage()];
    await importImage(fixture.store, name, image);
    await fixture.store.tagImage({ name: another, target: image.target });
    expect(await fixture.store.removeImage(name)).toBe(true);
    await fixture.store.removeImage(siblingOf(name, image));
    expect(await fixture.store.getImage(name)).toBeUndefined();
    expect(await fixture.store.getImage(another)).toMatchObject({ name: another, target: image.target });
    await expectWhole(fixture.store, image.blobs);
  });

  it('moves a name by tagging another image with it', async () => {
    const [name, other, before, after] = [freshName(), freshName(), freshImage(), freshImage()];
    await importImage(fixture.store, name, before);
    await importImage(fixture.store, other, after);
    await fixture.store.tagImage({ name, target: after.target });
    expect(await fixture.store.getImage(name)).toMatchObject({ target: after.target });
  });

  it('drops an image with its last name, and says whether the name was there', async () => {
    const [name, image] = [freshName(), freshImage()];
    await importImage(fixture.store, name, image);
    expect(await fixture.store.removeImage(name)).toBe(true);
    expect(await fixture.store.removeImage(name)).toBe(false);
    await expectWhole(fixture.store, image.blobs);
    expect(await fixture.store.removeImage(siblingOf(name, image))).toBe(true);
    await expectGone(fixture.store, image.blobs);
  });

  it('names twenty images at once', async () => {
    await using lease = await fixture.store.openLease({ owner });
    const image = freshImage();
    await putImage(lease, image);
    const names = Array.from({ length: 20 }, freshName);
    await Promise.all(names.map((name) => lease.nameImage({ name, target: image.target })));
    const listed = new Set((await fixture.store.listImages()).map(({ name }) => name));
    expect(names.filter((name) => !listed.has(name))).toEqual([]);
  });

  it('confirms an image that has its name and is complete', async () => {
    const [name, image] = [freshName(), freshImage()];
    await importImage(fixture.store, name, image);
    const warnings = await fixture.store.confirmImage({ name, target: image.target, runnable: false });
    expect(warnings).toBeInstanceOf(Array);
  });

  it('does not confirm a name of another digest, nor one that is not there', async () => {
    const [name, image, other] = [freshName(), freshImage(), freshImage()];
    await importImage(fixture.store, name, image);
    const unverified = { name: 'ImgctlError', code: 'image_unverified' };
    const { store } = fixture;
    await expect(store.confirmImage({ name, target: other.target, runnable: false })).rejects.toMatchObject(
      unverified,
    );
    const unknown = { name: freshName(), target: image.target, runnable: false };
    await expect(store.confirmImage(unknown)).rejects.toMatchObject(unverified);
  });

  it('tells of itself what an importer asks', async () => {
    const info = await fixture.store.info();
    expect(info.platforms.length).toBeGreaterThan(0);
    expect(info.version).not.toBe('');
    expect(info.namespace).not.toBe('');
    await using lease = await fixture.store.openLease({ owner });
    expect(info.snapshotter !== undefined).toBe(lease.unpacker !== undefined);
  });
}
