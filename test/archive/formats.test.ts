import { describe, expect, it } from 'vitest';
import { describeImages } from '../../src/archive/archive.ts';
import { digestOf } from '../../src/image/digest.ts';
import { mediaTypes } from '../../src/image/media-types.ts';
import {
  blobMembers,
  blobOf,
  blobPath,
  dockerSave,
  indexOf,
  ociLayout,
  randomImage,
  tarOf,
} from '../support/archives.ts';
import { failure, listing, openFile, openPipe, readAll, trueDigest } from './opened.ts';

const app = await randomImage({ seed: 'app' });
const tool = await randomImage({ seed: 'tool', gzip: true });
const arm = await randomImage({ seed: 'app', platform: 'linux/arm64' });
const name = 'registry.example.com/team/app:1';

describe('an OCI image layout', () => {
  it('gives its images under the names of containerd, and their blobs byte for byte', async () => {
    const tar = await tarOf(
      ociLayout([
        { image: app, name },
        { image: tool, name: 'docker.io/library/tool:2' },
      ]),
    );
    await using archive = await openFile(tar);
    expect(listing(archive)).toEqual([
      [name, app.target.digest],
      ['docker.io/library/tool:2', tool.target.digest],
    ]);
    for (const { descriptor, bytes } of [...app.blobs, ...tool.blobs]) {
      expect(archive.sizeOf(descriptor.digest)).toBe(bytes.length);
      expect((await readAll(archive, descriptor.digest)).equals(bytes)).toBe(true);
    }
  });

  it.each([
    ['nginx:1.25', 'docker.io/library/nginx:1.25'],
    ['team/app:1', 'docker.io/team/app:1'],
    ['localhost:5000/app', 'localhost:5000/app:latest'],
    ['registry.example.com/app', 'registry.example.com/app:latest'],
  ])(
    'takes the whole reference %s of org.opencontainers.image.ref.name as a name',
    async (refName, whole) => {
      const annotations = { 'org.opencontainers.image.ref.name': refName };
      await using archive = await openFile(await tarOf(ociLayout([{ image: app, annotations }])));
      expect(archive.images[0]?.name).toBe(whole);
    },
  );

  it.each(['latest', '1.0', 'v1.0', 'app', 'feature/x', ''])(
    'takes the bare tag %j for no name',
    async (refName) => {
      const annotations = { 'org.opencontainers.image.ref.name': refName };
      const error = await failure(openFile(await tarOf(ociLayout([{ image: app, annotations }]))));
      expect(error.code).toBe('archive_unnamed');
      expect(error.hint).toContain('--tag REF');
    },
  );

  it('prefers the name of containerd to that of OCI', async () => {
    const annotations = { 'org.opencontainers.image.ref.name': 'other:2' };
    await using archive = await openFile(await tarOf(ociLayout([{ image: app, name, annotations }])));
    expect(listing(archive)).toEqual([[name, app.target.digest]]);
  });

  it('gives one image several names', async () => {
    await using archive = await openFile(
      await tarOf(
        ociLayout([
          { image: app, name },
          { image: app, name: 'b:2' },
        ]),
      ),
    );
    expect(listing(archive)).toEqual([
      [name, app.target.digest],
      ['docker.io/library/b:2', app.target.digest],
    ]);
  });

  it('holds an image of several platforms, of which some are absent', async () => {
    const index = indexOf([app, arm]);
    const without = arm.blobs.map(({ descriptor }) => descriptor.digest);
    await using archive = await openFile(await tarOf(ociLayout([{ image: index, name }], { without })));
    expect(await describeImages(archive)).toEqual({
      images: [{ name, digest: index.target.digest, platforms: ['linux/amd64'] }],
      blobs: 1 + app.blobs.length,
      bytes: [index.blobs[0], ...app.blobs].reduce((sum, blob) => sum + (blob?.bytes.length ?? 0), 0),
    });
  });

  it('describes only the platforms that are whole', async () => {
    const without = [arm.layers[0]?.descriptor.digest ?? app.target.digest];
    await using archive = await openFile(
      await tarOf(ociLayout([{ image: indexOf([app, arm]), name }], { without })),
    );
    expect((await describeImages(archive)).images[0]?.platforms).toEqual(['linux/amd64']);
  });

  it('follows indexes within indexes', async () => {
    const nested = indexOf([indexOf([app]), indexOf([indexOf([arm])])]);
    await using archive = await openFile(await tarOf(ociLayout([{ image: nested, name }])));
    expect((await describeImages(archive)).images[0]?.platforms).toEqual(['linux/amd64', 'linux/arm64']);
  });

  it('finds the names of images that an index without a name holds', async () => {
    const shelf = indexOf(
      [app, tool],
      [{ 'io.containerd.image.name': name }, { 'io.containerd.image.name': 'tool:2' }],
    );
    await using archive = await openFile(await tarOf(ociLayout([{ image: shelf }])));
    expect(listing(archive)).toEqual([
      [name, app.target.digest],
      ['docker.io/library/tool:2', tool.target.digest],
    ]);
  });

  it('carries attestations along and counts them as no platform', async () => {
    const attestation = { ...arm, platform: { os: 'unknown', architecture: 'unknown' } };
    await using archive = await openFile(
      await tarOf(ociLayout([{ image: indexOf([app, attestation]), name }])),
    );
    const { images, blobs } = await describeImages(archive);
    expect(images[0]?.platforms).toEqual(['linux/amd64']);
    expect(blobs).toBe(1 + app.blobs.length + arm.blobs.length);
  });

  it('passes over signatures that stand beside a named image', async () => {
    const config = blobOf(mediaTypes.ociConfig, { rootfs: {} });
    const signature = blobOf(mediaTypes.ociManifest, {
      schemaVersion: 2,
      config: config.descriptor,
      layers: [],
      subject: app.target,
    });
    const referrer = { target: signature.descriptor, blobs: [signature, config] };
    await using archive = await openFile(await tarOf(ociLayout([{ image: app, name }, { image: referrer }])));
    expect(listing(archive)).toEqual([[name, app.target.digest]]);
  });

  it('reads a layout whose index.json says no media types', async () => {
    const { mediaType: _, ...target } = app.target;
    const members = ociLayout([{ image: app }]).filter((member) => member.name !== 'index.json');
    const index = { manifests: [{ ...target, annotations: { 'io.containerd.image.name': name } }] };
    const tar = await tarOf([...members, { name: 'index.json', body: JSON.stringify(index) }]);
    await using archive = await openFile(tar);
    expect(archive.images).toEqual([{ name, target: app.target }]);
  });

  it('reads names that begin with ./ and have doubled slashes', async () => {
    const members = ociLayout([{ image: app, name }]).map((member) => ({
      ...member,
      name: `./${member.name.replaceAll('/', '//')}`,
    }));
    await using archive = await openFile(await tarOf(members));
    expect(listing(archive)).toEqual([[name, app.target.digest]]);
  });

  it('takes the last of several blobs with the same name', async () => {
    const stale = { name: blobPath(app.target.digest), body: 'stale' };
    await using archive = await openFile(await tarOf([stale, ...ociLayout([{ image: app, name }])]));
    expect(await trueDigest(archive, app.target.digest)).toBe(app.target.digest);
  });
});

describe('docker save', () => {
  it('gives its images with all tags, from layers that are not compressed and need no hashing', async () => {
    const tar = await tarOf(
      dockerSave([
        { image: app, tags: ['app:1', 'app:latest'] },
        { image: tool, tags: ['t.example/tool:2'] },
      ]),
    );
    await using archive = await openFile(tar);
    expect(archive.images.map(({ name }) => name)).toEqual([
      'docker.io/library/app:1',
      'docker.io/library/app:latest',
      't.example/tool:2',
    ]);
    const manifest = JSON.parse(
      (await readAll(archive, archive.images[0]?.target.digest ?? app.target.digest)).toString(),
    );
    expect(manifest).toEqual({
      schemaVersion: 2,
      mediaType: mediaTypes.dockerManifest,
      config: { ...app.config.descriptor, mediaType: mediaTypes.dockerConfig },
      layers: app.layerTars.map((layer) => ({
        mediaType: mediaTypes.dockerLayer,
        digest: digestOf(layer),
        size: layer.length,
      })),
    });
    for (const { digest } of manifest.layers) expect(await trueDigest(archive, digest)).toBe(digest);
    expect((await describeImages(archive)).images[0]?.platforms).toEqual(['linux/amd64']);
  });

  it('reads gzipped layers under the digest that they have', async () => {
    await using archive = await openFile(
      await tarOf(dockerSave([{ image: app, tags: ['app:1'] }], { gzip: true })),
    );
    const manifest = JSON.parse(
      (await readAll(archive, archive.images[0]?.target.digest ?? app.target.digest)).toString(),
    );
    expect(manifest.layers).toHaveLength(2);
    for (const { digest, mediaType } of manifest.layers) {
      expect(mediaType).toBe(mediaTypes.dockerLayerGzip);
      expect(await trueDigest(archive, digest)).toBe(digest);
    }
  });

  it.each(['symlink', 'link'] as const)('follows a %s from one layer to another', async (type) => {
    const members = dockerSave([{ image: app, tags: ['app:1'] }]);
    const [first] = members.filter(({ name }) => name.endsWith('/layer.tar'));
    const target = first?.name ?? '';
    const linked = { name: 'linked/layer.tar', type, linkname: type === 'link' ? target : `../${target}` };
    const manifest = members.map((member) =>
      member.name === 'manifest.json'
        ? { ...member, body: String(member.body).replace(target, 'linked/layer.tar') }
        : member,
    );
    await using archive = await openFile(await tarOf([...manifest, linked]));
    const layer = digestOf(app.layerTars[0] ?? '');
    expect(await trueDigest(archive, layer)).toBe(layer);
  });

  it('needs --tag for an image without tags', async () => {
    const tar = await tarOf(dockerSave([{ image: app, tags: null }]));
    expect((await failure(openFile(tar))).code).toBe('archive_unnamed');
    await using named = await openFile(tar, { tag: 'app:3' });
    expect(named.images.map(({ name }) => name)).toEqual(['docker.io/library/app:3']);
    await using looked = await openFile(tar, { unnamed: 'keep' });
    expect(looked.images.map(({ name }) => name)).toEqual([undefined]);
  });

  it('tells what to do about an archive of Docker 1.9, which has no manifest.json', async () => {
    const tar = await tarOf([
      { name: 'abc/json', body: '{"id":"abc"}' },
      { name: 'abc/layer.tar', body: 'x' },
      { name: 'repositories', body: '{"app":{"1":"abc"}}' },
    ]);
    const error = await failure(openFile(tar));
    expect(error.code).toBe('archive_unreadable');
    expect(error.hint).toContain('docker load');
  });
});

describe('Docker 25 and newer, which writes both', () => {
  const manifestJson = (tags: string[] | null) => ({
    name: 'manifest.json',
    body: JSON.stringify([
      {
        Config: blobPath(app.config.descriptor.digest),
        RepoTags: tags,
        Layers: app.layers.map(({ descriptor }) => blobPath(descriptor.digest)),
      },
    ]),
  });

  it('gives each image once, from index.json', async () => {
    const tar = await tarOf([...ociLayout([{ image: app, name: 'app:1' }]), manifestJson(['app:1'])]);
    await using archive = await openFile(tar);
    expect(listing(archive)).toEqual([['docker.io/library/app:1', app.target.digest]]);
  });

  it('takes from manifest.json the names that index.json lacks', async () => {
    await using bare = await openFile(
      await tarOf([...ociLayout([{ image: app }]), manifestJson(['app:1', 'app:2'])]),
    );
    expect(listing(bare)).toEqual([
      ['docker.io/library/app:1', app.target.digest],
      ['docker.io/library/app:2', app.target.digest],
    ]);
    await using more = await openFile(
      await tarOf([...ociLayout([{ image: app, name: 'app:1' }]), manifestJson(['app:1', 'app:2'])]),
    );
    expect(more.images.map(({ name }) => name)).toEqual([
      'docker.io/library/app:1',
      'docker.io/library/app:2',
    ]);
  });

  it('finds the image of manifest.json within an index of platforms', async () => {
    const index = indexOf([arm, app]);
    await using archive = await openFile(
      await tarOf([...ociLayout([{ image: index }]), manifestJson(['app:1'])]),
    );
    expect(listing(archive)).toEqual([['docker.io/library/app:1', index.target.digest]]);
  });

  it.each(['{"schemaVersion":2,"manifests":null}', '{"schemaVersion":2,"manifests":[]}'])(
    'goes by manifest.json alone where index.json is %s',
    async (body) => {
      const members = [{ name: 'index.json', body }, manifestJson(['app:1']), ...blobMembers(app.blobs)];
      await using archive = await openFile(await tarOf(members));
      expect(archive.images.map(({ name }) => name)).toEqual(['docker.io/library/app:1']);
      const { images } = await describeImages(archive);
      expect(images[0]?.platforms).toEqual(['linux/amd64']);
      for (const { descriptor } of app.layers)
        expect(archive.sizeOf(descriptor.digest)).toBe(descriptor.size);
    },
  );
});

describe('--tag', () => {
  it('is the name of the one image, in place of its own', async () => {
    const tar = await tarOf(
      ociLayout([
        { image: app, name },
        { image: app, name: 'b:2' },
      ]),
    );
    await using archive = await openFile(tar, { tag: 'c:3' });
    expect(listing(archive)).toEqual([['docker.io/library/c:3', app.target.digest]]);
  });

  it('is refused where there are several images', async () => {
    const tar = await tarOf(ociLayout([{ image: app, name }, { image: tool }]));
    expect((await failure(openFile(tar, { tag: 'c:3' }))).code).toBe('usage');
  });

  it('is refused where it is no reference', async () => {
    expect(
      (await failure(openFile(await tarOf(ociLayout([{ image: app, name }])), { tag: 'C:3' }))).code,
    ).toBe('reference_invalid');
  });
});

describe('any archive', () => {
  it('reads the same from a pipe, whatever the pieces', async () => {
    const tar = await tarOf(ociLayout([{ image: app, name }]));
    for (const chunk of [1, 511, 512, 513, 1 << 20]) {
      await using archive = await openPipe(tar, {}, chunk);
      expect(listing(archive)).toEqual([[name, app.target.digest]]);
      expect(archive.spooled).toBe(true);
      for (const { descriptor } of app.blobs)
        expect(await trueDigest(archive, descriptor.digest)).toBe(descriptor.digest);
    }
  });

  it('reads blobs from any offset, several at once', async () => {
    await using archive = await openFile(await tarOf(ociLayout([{ image: app, name }])));
    const blobs = app.blobs.flatMap((blob) =>
      [0, 1, 700, blob.bytes.length].map((offset) => ({
        ...blob,
        offset: Math.min(offset, blob.bytes.length),
      })),
    );
    const read = await Promise.all(
      blobs.map(({ descriptor, offset }) => readAll(archive, descriptor.digest, offset)),
    );
    for (const [i, { bytes, offset }] of blobs.entries())
      expect(read[i]?.equals(bytes.subarray(offset))).toBe(true);
  });
});
