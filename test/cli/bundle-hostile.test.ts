import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Descriptor } from '../../src/image/descriptor.ts';
import { mediaTypes } from '../../src/image/media-types.ts';
import {
  blobMembers,
  blobOf,
  blobPath,
  indexOf,
  ociLayout,
  randomImage,
  type TarMember,
  tarOf,
} from '../support/archives.ts';
import { BundleDoors, type Tried } from './bundle-doors.ts';

/**
 * Bundles that somebody made to do harm, through each door that a bundle has. The layout is signed; what stands beside is
 * the attacker's.
 */

const name = 'registry.example.com/shop/app:1';
const app = await randomImage({ seed: 'app' });
const evil = await randomImage({ seed: 'evil' });
const layer = app.layers[0]?.descriptor ?? app.target;

let doors: BundleDoors;
beforeAll(async () => {
  doors = await BundleDoors.open();
});
afterAll(() => doors?.[Symbol.asyncDispose]());

type Index = { manifests: Descriptor[]; annotations?: Record<string, string> };

/** What is signed: a layout with one image. `change`: what whoever has the key signs in its place. */
function signed(change: (index: Index) => object = (index) => index, images = [{ image: app, name }]) {
  return ociLayout(images).flatMap((member): TarMember[] => {
    if (member.name !== 'index.json') return [member];
    const body = JSON.stringify(change(JSON.parse(String(member.body)) as Index));
    return [{ ...member, body }, doors.signatureOf(body)];
  });
}

const evilIndex = JSON.stringify({
  schemaVersion: 2,
  manifests: [{ ...evil.target, annotations: { 'io.containerd.image.name': 'evil:1' } }],
});
const evilManifest = JSON.stringify([
  {
    Config: blobPath(evil.config.descriptor.digest),
    RepoTags: ['evil:1', name],
    Layers: evil.layers.map(({ descriptor }) => blobPath(descriptor.digest)),
  },
]);
const evilBlobs = blobMembers(evil.blobs);

/** The members, but for what is done to the one of that path. */
function changed(path: string, change: (member: TarMember) => TarMember[], members = signed()): TarMember[] {
  return members.flatMap((member) => (member.name === path ? change(member) : [member]));
}

/** The same tar with other bytes in the header of a member, its checksum right. */
function withHeader(tar: Buffer, path: string, change: (header: Buffer) => void): Buffer {
  const at = tar.indexOf(path);
  const header = tar.subarray(at, at + 512);
  change(header);
  header.fill(' ', 148, 156);
  header.write(
    `${header
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  );
  return tar;
}

function nested(depth: number) {
  let image = indexOf([app]);
  for (let i = 0; i < depth; i++) image = indexOf([image]);
  return image;
}

const statuses = (results: Tried, but = /^$/) =>
  Object.fromEntries(
    Object.entries(results)
      .filter(([door]) => !but.test(door))
      .map(([door, { status, told }]) => [
        door,
        status === 0 ? 'taken' : (/\[(\w+)\]/.exec(told)?.[1] ?? told),
      ]),
  );

describe('is refused at every door that has the key:', () => {
  it.each<[what: string, code: string, make: () => TarMember[] | Promise<Buffer>, but?: RegExp]>([
    [
      'a second index.json',
      'archive_conflict',
      () => [...signed(), { name: 'index.json', body: evilIndex }, ...evilBlobs],
    ],
    [
      'a second index.json before it',
      'archive_conflict',
      () => [{ name: 'index.json', body: evilIndex }, ...signed(), ...evilBlobs],
    ],
    [
      'a second index.json by another spelling',
      'archive_conflict',
      () => [{ name: './/index.json', body: evilIndex }, ...signed(), ...evilBlobs],
    ],
    [
      'a second index.json from the root',
      'archive_conflict',
      () => [...signed(), { name: '/index.json', body: evilIndex }, ...evilBlobs],
    ],
    [
      'a second index.json by a link',
      'archive_conflict',
      () => [
        ...signed(),
        { name: 'other', body: evilIndex },
        { name: 'index.json', type: 'symlink', linkname: 'other' },
        ...evilBlobs,
      ],
    ],
    [
      'a folder in the place of index.json',
      'archive_conflict',
      () => [...signed(), { name: 'index.json/', type: 'directory' }],
    ],
    [
      'a second signature',
      'archive_conflict',
      () => [...signed(), { name: 'index.json.minisig', body: 'another' }],
    ],
    [
      'a second manifest.json',
      'archive_conflict',
      () => [
        ...signed(),
        { name: 'manifest.json', body: '[]' },
        { name: 'manifest.json', body: evilManifest },
      ],
    ],
    [
      'a signature over another index',
      'signature_invalid',
      () => [
        ...signed().filter((member) => member.name !== 'index.json.minisig'),
        doors.signatureOf(evilIndex),
      ],
    ],
    [
      'an index out of the archive',
      'archive_unreadable',
      () => [
        ...signed().filter((member) => member.name !== 'index.json'),
        { name: 'index.json', type: 'symlink', linkname: '/etc/passwd' },
      ],
    ],
    [
      'a layer out of the archive',
      'archive_unreadable',
      () =>
        changed(blobPath(layer.digest), (member) => [
          { name: member.name, type: 'symlink', linkname: '../../../../../etc/passwd' },
        ]),
    ],
    [
      'a manifest that is another',
      'digest_mismatch',
      () => changed(blobPath(app.target.digest), (member) => [{ ...member, body: evil.manifest.bytes }]),
    ],
    [
      'a size below zero in a header',
      'archive_unreadable',
      async () =>
        withHeader(await tarOf(signed()), blobPath(layer.digest), (header) => header.fill(0xff, 124, 136)),
    ],
    [
      'a size beyond all numbers in a header',
      'archive_unreadable',
      async () =>
        withHeader(await tarOf(signed()), blobPath(layer.digest), (header) => {
          header.fill(0xff, 124, 136);
          header[124] = 0x80;
        }),
    ],
    [
      'a size beyond the file in a header',
      'archive_truncated',
      async () =>
        withHeader(await tarOf(signed()), blobPath(layer.digest), (header) =>
          header.write('77777777777\0', 124),
        ),
      // A store that takes the layer as it comes may be the first to miss its end
      /directory packed|^$/,
    ],
    [
      'a size below zero in pax',
      'archive_unreadable',
      () => [...signed(), { name: 'x', pax: { size: '-1' } }],
    ],
    [
      'a size below zero in the index',
      'document_invalid',
      () =>
        signed((index) => ({ ...index, manifests: index.manifests.map((one) => ({ ...one, size: -1 })) })),
    ],
    [
      'a size of many gigabytes in the index',
      'document_too_large',
      () =>
        signed((index) => ({
          ...index,
          manifests: index.manifests.map((one) => ({ ...one, size: 2 ** 40 })),
        })),
    ],
    [
      'an index that is nested too deep',
      'document_invalid',
      () => signed(undefined, [{ image: nested(12) as typeof app, name }]),
    ],
  ])('%s', async (_, code, make, but = code === 'signature_invalid' ? /inspect/ : /^$/) => {
    const made = await make();
    const { results, tags } = await doors.try(Buffer.isBuffer(made) ? made : await tarOf(made));
    const seen = statuses(results, but);
    expect(results['directory packed']?.status).not.toBe(0);
    expect(new Set(Object.values(seen)), JSON.stringify(seen, undefined, 1)).toEqual(new Set([code]));
    expect(tags).toEqual([]);
  });
});

describe('does no harm:', () => {
  it.each<[what: string, make: () => TarMember[]]>([
    [
      'names that climb, and that begin at the root',
      () => [
        ...signed(),
        ...[
          '../evil',
          '../../../../tmp/imgctl-evil',
          '/tmp/imgctl-evil',
          'blobs/sha256/../../index.json',
        ].map((path) => ({ name: path, body: evilIndex })),
      ],
    ],
    [
      'links to anywhere that nobody asks for',
      () => [
        ...signed(),
        { name: 'a', type: 'symlink', linkname: '/etc/passwd' },
        { name: 'b', type: 'link', linkname: '../../etc/passwd' },
        { name: 'c', type: 'symlink', linkname: 'c' },
      ],
    ],
    [
      'a manifest.json that names another image, by the name of the signed one too',
      () => [...signed(), { name: 'manifest.json', body: evilManifest }, ...evilBlobs],
    ],
    ['another image that no index names', () => [...signed(), ...evilBlobs]],
  ])('%s', async (_, make) => {
    const { results, tags } = await doors.try(await tarOf(make()));
    const seen = statuses(results, /inspect/);
    expect(new Set(Object.values(seen)), JSON.stringify(seen, undefined, 1)).toEqual(new Set(['taken']));
    expect(new Set(tags)).toEqual(new Set([name]));
    expect(results['verify plain']?.told).not.toContain('evil');
    expect(readdirSync(tmpdir())).not.toContain('imgctl-evil');
  });
});

describe('a blob', () => {
  const flipped = (bytes: Uint8Array | string = '') => {
    const body = Buffer.from(bytes as Uint8Array);
    body.writeUInt8(body.readUInt8(600) ^ 1, 600);
    return body;
  };

  it.each<
    [what: string, change: (member: TarMember, other: TarMember) => TarMember[], rightIsThere: boolean]
  >([
    ['twice, the first one wrong', (member) => [{ ...member, body: flipped(member.body) }, member], true],
    ['twice, the second one wrong', (member) => [member, { ...member, body: flipped(member.body) }], true],
    ['with other bytes', (member) => [{ ...member, body: flipped(member.body) }], false],
    [
      'that is a hard link to another',
      (member, other) => [{ name: member.name, type: 'link', linkname: other.name }],
      false,
    ],
  ])('%s is flagged, and its image gets in by the right bytes alone', async (what, change, rightIsThere) => {
    // No store has anything of it
    const image = await randomImage({ seed: what });
    const tag = `registry.example.com/${what.replaceAll(/\W/g, '')}:1`;
    const [first, second] = blobMembers(image.layers) as [TarMember, TarMember];
    const members = signed(undefined, [{ image, name: tag }]);
    const { results, tags } = await doors.try(
      await tarOf(changed(first.name, (member) => change(member, second), members)),
    );
    for (const form of ['plain', 'packed']) {
      expect(results[`verify ${form}`]).toMatchObject({
        status: 4,
        told: expect.stringMatching(/^fail +sha256/m),
      });
      for (const door of ['import', 'directory']) {
        const { status, told } = results[`${door} ${form}`] ?? { status: 0, told: '' };
        if (status === 0) expect(rightIsThere, `${door} ${form}`).toBe(true);
        else if (door === 'import') expect(told).toMatch(/\[(digest_mismatch|size_mismatch)\]/);
      }
    }
    if (!rightIsThere) expect(tags).not.toContain(tag);
  });
});

describe('control bytes', () => {
  const nasty = '\u001b]0;owned\u0007\u001b[31m\r\u009b2J';

  it.each<[what: string, make: () => TarMember[]]>([
    [
      'in the name of an image',
      () =>
        signed((index) => ({
          ...index,
          manifests: index.manifests.map((one) => ({
            ...one,
            annotations: { 'io.containerd.image.name': `app${nasty}:1` },
          })),
        })),
    ],
    [
      'in annotations, types and what is beside',
      () => {
        const beside = blobOf(mediaTypes.ociManifest, {
          schemaVersion: 2,
          artifactType: nasty,
          config: app.config.descriptor,
          layers: [],
          subject: app.target,
        });
        return [
          ...signed((index) => ({
            ...index,
            annotations: { [nasty]: nasty, 'dev.imgctl.bundle.base.name': nasty },
            manifests: [
              ...index.manifests,
              { ...beside.descriptor, artifactType: nasty, annotations: { kind: nasty, [nasty]: nasty } },
            ],
          })),
          ...blobMembers([beside]),
        ];
      },
    ],
    [
      'in the base of a delta',
      () =>
        signed((index) => ({
          ...index,
          annotations: {
            'dev.imgctl.bundle.base.name': nasty,
            'dev.imgctl.bundle.base.digest': app.target.digest,
          },
        })),
    ],
    [
      'in a platform',
      () => {
        const image = indexOf([{ ...app, platform: { os: nasty, architecture: nasty } }]);
        return signed(undefined, [{ image: image as typeof app, name }]);
      },
    ],
    [
      'in a media type',
      () =>
        signed((index) => ({
          ...index,
          manifests: index.manifests.map((one) => ({ ...one, mediaType: nasty })),
        })),
    ],
    [
      'in the comment of a signature',
      () =>
        signed().map((member) =>
          member.name === 'index.json.minisig'
            ? {
                ...member,
                body: String(member.body)
                  .replace('of a test', nasty)
                  .replace(/^untrusted.*/, `untrusted comment: ${nasty}`),
              }
            : member,
        ),
    ],
    [
      'in the names of members',
      () => [
        { name: nasty, body: 'x' },
        ...signed(),
        { name: `blobs/sha256/${nasty}`, type: 'symlink', linkname: nasty },
      ],
    ],
    [
      'in what manifest.json lacks',
      () => [
        {
          name: 'manifest.json',
          body: JSON.stringify([{ Config: nasty, RepoTags: [nasty], Layers: [nasty] }]),
        },
      ],
    ],
    [
      'in where a link leads',
      () => [
        ...signed().filter((member) => member.name !== 'index.json'),
        { name: 'index.json', type: 'symlink', linkname: `/${nasty}` },
      ],
    ],
  ])('%s reach no terminal', async (_, make) => {
    const { results } = await doors.try(await tarOf(make()));
    for (const [door, { told }] of Object.entries(results))
      expect(told.replaceAll('\n', ''), door).not.toMatch(/\p{Cc}/u);
  });
});
