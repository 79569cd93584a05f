import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { combineArchives, openArchive } from '../../src/archive/archive.ts';
import { mediaTypes } from '../../src/image/media-types.ts';
import {
  blobMembers,
  blobOf,
  blobPath,
  dockerSave,
  indexOf,
  ociLayout,
  randomImage,
  type TarMember,
  tarOf,
} from '../support/archives.ts';
import { failure, fileWith, openFile, openPipe } from './opened.ts';

const app = await randomImage({ seed: 'bad' });
const name = 'docker.io/library/app:1';
const good = await tarOf(ociLayout([{ image: app, name }]));

function replaced(members: readonly TarMember[], path: string, body: string | Uint8Array): TarMember[] {
  return members.map((member) => (member.name === path ? { ...member, body } : member));
}

/** What the input is, its bytes, and the code of the error. */
const unreadable: [what: string, bytes: Buffer, code: string][] = [
  ['nothing', Buffer.alloc(0), 'archive_empty'],
  ['nothing, gzipped', gzipSync(''), 'archive_empty'],
  ['a few letters', Buffer.from('hello'), 'archive_unreadable'],
  ['a web page', Buffer.from('<!DOCTYPE html>'.repeat(99)), 'archive_unreadable'],
  ['zeros', Buffer.alloc(10240), 'archive_no_images'],
  ['a tar without images', await tarOf([{ name: 'etc/passwd', body: 'root' }]), 'archive_no_images'],
  [
    'an index of no images',
    await tarOf([{ name: 'index.json', body: '{"manifests":null}' }]),
    'archive_no_images',
  ],
  ['an index that is not JSON', await tarOf([{ name: 'index.json', body: '{' }]), 'document_invalid'],
  [
    'a manifest.json that is not JSON',
    await tarOf([{ name: 'manifest.json', body: '[' }]),
    'document_invalid',
  ],
  [
    'a manifest.json of another kind',
    await tarOf([{ name: 'manifest.json', body: '{"layers":[]}' }]),
    'document_invalid',
  ],
];

const huge = { ...app.target, size: 100_000_000 };
const hugeManifest = gzipSync(
  await tarOf([
    ...ociLayout([{ image: { target: huge, blobs: [] }, name }]),
    { name: blobPath(huge.digest), body: Buffer.alloc(huge.size, ' ') },
  ]),
);

/** Ten configs of seven million bytes. */
const fatConfigs = gzipSync(
  await tarOf(
    ociLayout(
      Array.from({ length: 10 }, (_, i) => {
        const config = blobOf(mediaTypes.ociConfig, { ...app.platform, padding: i + ' '.repeat(7_000_000) });
        const manifest = blobOf(mediaTypes.ociManifest, { config: config.descriptor, layers: [] });
        return { image: { target: manifest.descriptor, blobs: [manifest, config] }, name: `app:${i}` };
      }),
    ),
  ),
  { level: 1 },
);

const tiny = (await tarOf([{ name: 'x', body: 'tiny' }])).subarray(0, 1024);
const crowd = Buffer.concat([...Array<Buffer>(100_000).fill(tiny), good]);

describe.each([
  ['a file', openFile],
  ['a pipe', openPipe],
] as const)('%s with bad input', (_, open) => {
  it.each(unreadable)('that is %s', async (_what, bytes, code) => {
    const error = await failure(open(bytes));
    expect(error.code).toBe(code);
    expect(error.hint).toBeTruthy();
  });

  it('names the bytes of a document that do not match their digest', async () => {
    const members = replaced(ociLayout([{ image: app, name }]), blobPath(app.config.descriptor.digest), '{}');
    const error = await failure(open(await tarOf(members)));
    expect(error).toMatchObject({
      code: 'digest_mismatch',
      context: { digest: app.config.descriptor.digest },
    });
  });

  it('names a layer whose size lies', async () => {
    const digest = app.layers[1]?.descriptor.digest ?? app.target.digest;
    const error = await failure(
      open(await tarOf(replaced(ociLayout([{ image: app, name }]), blobPath(digest), 'short'))),
    );
    expect(error).toMatchObject({ code: 'size_mismatch', context: { digest, image: name } });
  });

  it('names a layer that is missing, and its image', async () => {
    const digest = app.layers[1]?.descriptor.digest ?? app.target.digest;
    const error = await failure(open(await tarOf(ociLayout([{ image: app, name }], { without: [digest] }))));
    expect(error).toMatchObject({ code: 'archive_incomplete', context: { digest, image: name } });
    expect(error.message).toContain(name);
  });

  it('names a layer that is missing from docker save', async () => {
    const members = dockerSave([{ image: app, tags: ['app:1'] }]);
    const layer = members.find((member) => member.name.endsWith('/layer.tar'));
    const error = await failure(open(await tarOf(members.filter((member) => member !== layer))));
    expect(error.code).toBe('archive_incomplete');
    expect(error.message).toContain(layer?.name);
  });

  it('refuses an image whose manifest is missing', async () => {
    const error = await failure(
      open(await tarOf(ociLayout([{ image: app, name }], { without: [app.target.digest] }))),
    );
    expect(error).toMatchObject({ code: 'archive_incomplete', context: { image: name } });
  });

  it('refuses an index that contains itself', async () => {
    const { target } = indexOf([app]);
    const body = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [target] });
    const members = ociLayout([
      { image: { target: { ...target, size: body.length }, blobs: app.blobs }, name },
    ]);
    const error = await failure(open(await tarOf([...members, { name: blobPath(target.digest), body }])));
    expect(error.code).toBe('image_cycle');
  });

  it('refuses two indexes that contain each other', async () => {
    const lie = indexOf([app]);
    const outer = indexOf([lie]);
    const body = JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.ociIndex,
      manifests: [outer.target],
    });
    const members = replaced(ociLayout([{ image: outer, name }]), blobPath(lie.target.digest), body);
    expect((await failure(open(await tarOf(members)))).code).toBe('image_cycle');
  });

  it('refuses indexes that are nested without end', async () => {
    let index = indexOf([app]);
    for (let depth = 0; depth < 12; depth++) index = indexOf([index]);
    expect((await failure(open(await tarOf(ociLayout([{ image: index, name }]))))).code).toBe(
      'document_invalid',
    );
  });

  it('refuses a manifest of 100 MB without reading it', async () => {
    expect((await failure(open(hugeManifest))).code).toBe('document_too_large');
  });

  it('stops at a compression bomb in place of index.json', async () => {
    const bomb = gzipSync(await tarOf([{ name: 'index.json', body: Buffer.alloc(64_000_000, ' ') }]));
    expect((await failure(open(bomb))).code).toBe('document_too_large');
  });

  it('refuses more documents than it would hold', async () => {
    expect((await failure(open(fatConfigs))).code).toBe('archive_too_large');
  });

  it('refuses a document that reads as an index and as a manifest', async () => {
    const both = blobOf(mediaTypes.ociManifest, { manifests: [], config: app.config.descriptor, layers: [] });
    const tar = await tarOf(
      ociLayout([{ image: { target: both.descriptor, blobs: [both, app.config] }, name }]),
    );
    expect((await failure(open(tar))).code).toBe('document_invalid');
  });

  it('refuses one name for two images', async () => {
    const other = await randomImage({ seed: 'other' });
    const tar = await tarOf(
      ociLayout([
        { image: app, name },
        { image: other, name },
      ]),
    );
    expect(await failure(open(tar))).toMatchObject({ code: 'archive_conflict', context: { image: name } });
  });

  it.each([
    ['to nowhere', 'nowhere/layer.tar', 'archive_incomplete'],
    ['out of the archive', '../../etc/passwd', 'archive_unreadable'],
    ['to a file of this machine', '/etc/passwd', 'archive_unreadable'],
    ['to itself', 'layer.tar', 'archive_unreadable'],
  ])('refuses a layer that is a link %s', async (_what, linkname, code) => {
    const members = dockerSave([{ image: app, tags: ['app:1'] }]).map((member) =>
      member.name.endsWith('/layer.tar') ? { name: member.name, type: 'symlink' as const, linkname } : member,
    );
    const error = await failure(open(await tarOf(members)));
    expect(error.code).toBe(code);
    expect(error.message).toContain('link');
  });

  it('never reads a file of this machine for a name with dots', async () => {
    const manifest = [{ Config: '../../../../etc/passwd', RepoTags: ['app:1'], Layers: [] }];
    const error = await failure(
      open(await tarOf([{ name: 'manifest.json', body: JSON.stringify(manifest) }])),
    );
    expect(error.code).toBe('archive_incomplete');
  });

  it('refuses docker-save layers whose number is not that of the config', async () => {
    const members = dockerSave([{ image: app, tags: ['app:1'] }]);
    const [item] = JSON.parse(String(members.at(-1)?.body));
    const body = JSON.stringify([{ ...item, Layers: item.Layers.slice(1) }]);
    expect((await failure(open(await tarOf(replaced(members, 'manifest.json', body))))).code).toBe(
      'document_invalid',
    );
  });

  it('says which folder to pack where the layout is one below', async () => {
    const tar = await tarOf(
      ociLayout([{ image: app, name }]).map((member) => ({ ...member, name: `bundle/${member.name}` })),
    );
    const error = await failure(open(tar));
    expect(error.code).toBe('archive_no_images');
    expect(error.hint).toContain('tar -C bundle');
  });

  it('finds the images among 100,000 tiny entries', async () => {
    await using archive = await open(crowd);
    expect(archive.images).toHaveLength(1);
  });

  it('stops where somebody loses patience', async () => {
    const reason = new Error('enough');
    await expect(open(good, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

describe('what is no archive at all', () => {
  it('is a file that is not there', async () => {
    expect((await failure(openArchive({ kind: 'path', path: '/nowhere/a.tar' }))).code).toBe('no_archive');
  });

  it('is a directory', async () => {
    const error = await failure(openArchive({ kind: 'path', path: '/tmp' }));
    expect(error.code).toBe('archive_unreadable');
    expect(error.hint).toContain('tar -C');
  });
});

describe('several archives', () => {
  it('are one source, with blobs from whichever has them', async () => {
    const other = await randomImage({ seed: 'other' });
    const archives = [
      await openFile(good),
      await openFile(await tarOf(ociLayout([{ image: other, name: 'b:2' }]))),
    ];
    await using both = combineArchives(archives);
    expect(both.images.map((image) => image.name)).toEqual([name, 'docker.io/library/b:2']);
    for (const { descriptor } of [...app.blobs, ...other.blobs])
      expect(both.sizeOf(descriptor.digest)).toBe(descriptor.size);
  });

  it('name an image once that stands in two of them', async () => {
    await using both = combineArchives([await openFile(good), await openFile(good)]);
    expect(both.images).toHaveLength(1);
  });

  it('are refused where they give one name to two images', async () => {
    const other = await randomImage({ seed: 'other' });
    await using first = await openFile(good);
    await using second = await openFile(await tarOf(ociLayout([{ image: other, name }])));
    expect(() => combineArchives([first, second])).toThrow(
      expect.objectContaining({ code: 'archive_conflict' }),
    );
  });
});

describe('an archive that changes while it is read', () => {
  it('is said to have become shorter', async () => {
    const path = fileWith(good);
    await using archive = await openArchive({ kind: 'path', path });
    const { truncateSync } = await import('node:fs');
    truncateSync(path, 2048);
    const layer = app.layers[1]?.descriptor.digest ?? app.target.digest;
    await expect(Array.fromAsync(archive.read(layer, 0))).rejects.toMatchObject({
      code: 'archive_truncated',
    });
  });
});

it('members of a docker-save image that are blobs already need no second copy', async () => {
  const manifest = [
    {
      Config: blobPath(app.config.descriptor.digest),
      RepoTags: ['app:1'],
      Layers: app.layers.map(({ descriptor }) => blobPath(descriptor.digest)),
    },
  ];
  const members = [
    { name: 'manifest.json', body: JSON.stringify(manifest) },
    ...blobMembers([app.config, ...app.layers]),
  ];
  await using archive = await openFile(await tarOf(members));
  for (const { descriptor } of app.layers) expect(archive.sizeOf(descriptor.digest)).toBe(descriptor.size);
});
