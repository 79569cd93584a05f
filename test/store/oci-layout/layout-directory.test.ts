import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { type Digest, parseDigest } from '../../../src/image/digest.ts';
import { mediaTypes } from '../../../src/image/media-types.ts';
import { openOciLayoutStore } from '../../../src/store/oci-layout/oci-layout-store.ts';
import type { Store } from '../../../src/store/store.ts';
import {
  expectWhole,
  freshImage,
  freshName,
  importImage,
  owner,
  putIndex,
  siblingOf,
} from '../../contract/store/fixture.ts';
import { chunksOf, imageOf, indexOf, randomBlob, type TestBlob } from '../../support/blobs.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const run = promisify(execFile);
const directory = temporaryDirectory();
const open = () => openOciLayoutStore({ directory: directory() });
const blobPath = (digest: Digest) => join(directory(), 'blobs', digest.replace(':', '/'));
const readIndex = async () => JSON.parse(await readFile(join(directory(), 'index.json'), 'utf8'));

describe('the directory', () => {
  it('is an OCI image layout from the start', async () => {
    await using _store = await open();
    expect(JSON.parse(await readFile(join(directory(), 'oci-layout'), 'utf8'))).toEqual({
      imageLayoutVersion: '1.0.0',
    });
    expect(await readIndex()).toEqual({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [] });
    expect((await readdir(directory())).sort()).toEqual(['.imgctl', 'blobs', 'index.json', 'oci-layout']);
  });

  it('is made with its parents where it is missing', async () => {
    await using store = await openOciLayoutStore({ directory: join(directory(), 'not/there/yet') });
    await importImage(store, freshName(), freshImage());
  });

  it('holds blobs that everybody may read and nobody may change or run', async () => {
    await using store = await open();
    const image = freshImage();
    await importImage(store, freshName(), image);
    const { mode } = await stat(blobPath(image.target.digest));
    expect((mode & 0o777).toString(8)).toBe((0o644 & ~process.umask()).toString(8));
  });

  it('names an image by annotations that other tools know', async () => {
    await using store = await open();
    const [name, image] = [freshName(), freshImage()];
    await importImage(store, name, image, { pin: true });
    const { manifests } = await readIndex();
    expect(manifests).toHaveLength(2);
    expect(manifests[0]).toMatchObject({
      ...image.target,
      annotations: {
        'io.containerd.image.name': name,
        'org.opencontainers.image.ref.name': name,
        'io.cri-containerd.pinned': 'pinned',
      },
    });
  });

  it('has sha512 blobs in a folder of their own', async () => {
    await using store = await open();
    const { bytes, descriptor } = randomBlob(1000);
    const digest = parseDigest(`sha512:${createHash('sha512').update(bytes).digest('hex')}`);
    await using lease = await store.openLease({ owner });
    await lease.write({ ...descriptor, digest }, 0, chunksOf(bytes));
    expect(await readFile(join(directory(), 'blobs/sha512', digest.slice('sha512:'.length)))).toEqual(
      Buffer.from(bytes),
    );
  });

  it('is not taken from another purpose', async () => {
    await writeFile(join(directory(), 'thesis.txt'), 'chapter 1');
    await expect(open()).rejects.toMatchObject({ name: 'ImgctlError', code: 'store_failed' });
    expect(await readdir(directory())).toEqual(['thesis.txt']);
  });

  it('of a later version is refused', async () => {
    await writeFile(join(directory(), 'oci-layout'), '{"imageLayoutVersion": "2.0.0"}');
    await expect(open()).rejects.toMatchObject({
      code: 'store_failed',
      message: expect.stringContaining('2.0.0'),
    });
  });

  it('with an index.json that is damaged is refused, and not written over', async () => {
    await (await open())[Symbol.asyncDispose]();
    await writeFile(join(directory(), 'index.json'), '{"manifests": [');
    await using store = await open();
    await expect(store.listImages()).rejects.toMatchObject({ code: 'store_failed' });
    const image = freshImage();
    await expect(importImage(store, freshName(), image)).rejects.toMatchObject({ code: 'store_failed' });
    expect(await readFile(join(directory(), 'index.json'), 'utf8')).toBe('{"manifests": [');
  });

  it('tells of itself', async () => {
    await using store = await openOciLayoutStore({ directory: directory(), namespace: 'edge' });
    const info = await store.info();
    expect(info).toMatchObject({
      kind: 'oci',
      version: '1.0.0',
      address: directory(),
      namespace: 'edge',
      cri: false,
    });
    expect(info.freeBytes).toBeGreaterThan(0);
    expect(info.platforms[0]?.os).toBe('linux');
  });
});

describe('what other tools put there', () => {
  it('is listed where its name is a whole one, normalised', async () => {
    const [first, second, third] = [freshImage(), freshImage(), freshImage()];
    await writeLayout([
      { ...first.target, annotations: { 'org.opencontainers.image.ref.name': 'nginx:1' } },
      { ...second.target, annotations: { 'org.opencontainers.image.ref.name': 'latest' } },
      {
        ...third.target,
        annotations: {
          'org.opencontainers.image.ref.name': '2',
          'io.containerd.image.name': 'registry.test/app:2',
        },
      },
    ]);
    await using store = await open();
    const images = await store.listImages();
    expect(images.map(({ name, target }) => [name, target])).toEqual([
      ['docker.io/library/nginx:1', first.target],
      ['registry.test/app:2', third.target],
    ]);
  });

  it('stays as it is, with all its blobs, whatever is imported, moved and removed', async () => {
    const [bare, named] = [freshImage(), freshImage()];
    const stranger = randomBlob(500);
    const foreign = [
      {
        ...bare.target,
        annotations: { 'org.opencontainers.image.ref.name': 'latest', x: 'y' },
        data: 'e30=',
      },
      { ...named.target, annotations: { 'org.opencontainers.image.ref.name': 'registry.test/theirs:1' } },
      { mediaType: 'application/vnd.example', digest: stranger.descriptor.digest, size: 500, more: [1] },
    ];
    // One that no index names yet: another tool is at work
    const unnamed = randomBlob(600);
    await writeLayout(foreign, [...bare.blobs, ...named.blobs, stranger, unnamed]);
    await using store = await open();
    const name = freshName();
    for (const image of [freshImage(), freshImage()]) await importImage(store, name, image);
    for (const image of await store.listImages())
      if (image.name !== 'registry.test/theirs:1') await store.removeImage(image.name);
    const lease = await store.openLease({ owner });
    await lease.claim({ blobs: bare.blobs.map(({ descriptor }) => descriptor) });
    await lease.release();
    expect((await readIndex()).manifests).toEqual(foreign);
    expect((await readdir(join(directory(), 'blobs/sha256'))).length).toBe(
      bare.blobs.length + named.blobs.length + 2,
    );
    await expectWhole(store, [...bare.blobs, ...named.blobs, stranger, unnamed]);
  });
});

describe('other tools read it:', () => {
  const tool = (name: string) => existsSync(`/usr/bin/${name}`);

  it.runIf(tool('skopeo'))('skopeo copies an image by its name', async () => {
    await using store = await open();
    const [name, image] = [freshName(), freshImage()];
    await importImage(store, name, image);
    await importImage(store, freshName(), freshImage());
    const copy = join(directory(), '../copy');
    await run('skopeo', ['--insecure-policy', 'copy', `oci:${directory()}:${name}`, `dir:${copy}`]);
    expect(JSON.parse(await readFile(join(copy, 'manifest.json'), 'utf8'))).toEqual(
      JSON.parse(Buffer.from(image.manifest.bytes).toString()),
    );
  });

  it.runIf(tool('skopeo'))('skopeo copies an image of several platforms', async () => {
    await using store = await open();
    const name = freshName();
    const index = indexOf([
      { image: imageOf(['a']), platform: { os: 'linux', architecture: 'amd64' } },
      {
        image: imageOf(['b'], { os: 'linux', architecture: 's390x' }),
        platform: { os: 'linux', architecture: 's390x' },
      },
    ]);
    const lease = await store.openLease({ owner });
    await putIndex(lease, index);
    await lease.nameImage({ name, target: index.target });
    await lease.release();
    const copy = join(directory(), '../copy-all');
    await run('skopeo', ['--insecure-policy', 'copy', '--all', `oci:${directory()}:${name}`, `dir:${copy}`]);
    expect(await readFile(join(copy, 'manifest.json'))).toEqual(index.index.bytes);
  });

  it.runIf(tool('umoci'))('umoci lists the names, and unpacks one', async () => {
    await using store = await open();
    const [name, image] = [freshName(), imageOf(['hello'])];
    await importImage(store, name, image);
    const { stdout } = await run('umoci', ['ls', '--layout', directory()]);
    expect(stdout.trim().split('\n').sort()).toEqual([name, siblingOf(name, image)].sort());
    const bundle = join(directory(), '../bundle');
    await run('umoci', ['raw', 'unpack', '--rootless', '--image', `${directory()}:${name}`, bundle]);
    expect(await readFile(join(bundle, 'file-0'), 'utf8')).toBe('hello');
  });
});

describe('an image is confirmed only while it is complete:', () => {
  const host = { os: 'linux', architecture: 'amd64' };

  async function imported(store: Store) {
    const [name, image] = [freshName(), freshImage()];
    await importImage(store, name, image);
    return { name, image };
  }

  it.each([
    ['layer', true],
    ['config', true],
    ['manifest', true],
    ['layer', false],
  ] as const)('a %s that is cut short shows (runnable: %s)', async (part, runnable) => {
    await using store = await openOciLayoutStore({ directory: directory(), platforms: [host] });
    const { name, image } = await imported(store);
    const request = { name, target: image.target, runnable };
    expect(await store.confirmImage(request)).toEqual([]);
    const { descriptor } = (part === 'layer' ? image.layers[0] : image[part]) as TestBlob;
    await writeFile(blobPath(descriptor.digest), 'short');
    await expect(store.confirmImage(request)).rejects.toMatchObject({
      name: 'ImgctlError',
      code: 'image_unverified',
      context: { image: name },
    });
  });

  it("the platform that counts is the host's, where the host is to run it", async () => {
    await using store = await openOciLayoutStore({
      directory: directory(),
      platforms: [{ os: 'linux', architecture: 's390x' }],
    });
    const { name, image } = await imported(store);
    await store.confirmImage({ name, target: image.target, runnable: false });
    await expect(store.confirmImage({ name, target: image.target, runnable: true })).rejects.toMatchObject({
      code: 'image_unverified',
    });
  });

  it('importing again repairs what was damaged', async () => {
    await using store = await openOciLayoutStore({ directory: directory(), platforms: [host] });
    const { name, image } = await imported(store);
    const [layer] = image.layers;
    if (layer !== undefined) await writeFile(blobPath(layer.descriptor.digest), 'short');
    const lease = await store.openLease({ owner });
    const { whole } = await lease.claim({ blobs: image.blobs.map(({ descriptor }) => descriptor) });
    const missing = image.blobs.filter(({ descriptor }) => !whole.has(descriptor.digest));
    expect(missing.map(({ descriptor }) => descriptor)).toEqual([layer?.descriptor]);
    for (const { descriptor, bytes } of missing) await lease.write(descriptor, 0, chunksOf(bytes));
    await lease.nameImage({ name, target: image.target });
    await lease.release();
    await store.confirmImage({ name, target: image.target, runnable: true });
  });

  it('a descriptor that lies about the size of what is there does not damage it', async () => {
    await using store = await open();
    const { image } = await imported(store);
    const { descriptor, bytes } = image.config;
    await using lease = await store.openLease({ owner });
    const lie = { ...descriptor, size: descriptor.size + 1 };
    expect((await lease.claim({ blobs: [lie] })).whole.size).toBe(0);
    await expect(lease.write(lie, 0, chunksOf(bytes))).rejects.toMatchObject({ code: 'size_mismatch' });
    await expectWhole(store, image.blobs);
  });
});

async function writeLayout(manifests: readonly unknown[], blobs: readonly TestBlob[] = []): Promise<void> {
  await mkdir(join(directory(), 'blobs/sha256'), { recursive: true });
  await writeFile(join(directory(), 'oci-layout'), '{ "imageLayoutVersion": "1.0.0" }\n');
  await writeFile(join(directory(), 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
  for (const { descriptor, bytes } of blobs) await writeFile(blobPath(descriptor.digest), bytes);
}
