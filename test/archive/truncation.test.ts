import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Archive } from '../../src/archive/archive.ts';
import { describeImages } from '../../src/archive/archive.ts';
import { toImgctlError } from '../../src/errors.ts';
import { dockerSave, indexOf, ociLayout, randomImage, tarOf } from '../support/archives.ts';
import { openFile, openPipe, trueDigest } from './opened.ts';

const one = await randomImage({ seed: 'one', layerSize: 3000 });
const arm = await randomImage({ seed: 'one', platform: 'linux/arm64', layerSize: 900 });
const two = await randomImage({ seed: 'two', layers: 3, layerSize: 700, gzip: true });

const archives = {
  'an OCI layout, index first': await tarOf(
    ociLayout([
      { image: indexOf([one, arm]), name: 'one:1' },
      { image: two, name: 'two:1' },
    ]),
  ),
  'an OCI layout, index last': await tarOf(
    ociLayout([
      { image: one, name: 'one:1' },
      { image: two, name: 'two:1' },
    ]).reverse(),
  ),
  'docker save': await tarOf(
    dockerSave([
      { image: one, tags: ['one:1'] },
      { image: two, tags: ['two:1'] },
    ]),
  ),
  'docker save, manifest first': await tarOf(
    dockerSave(
      [
        { image: one, tags: ['one:1'] },
        { image: two, tags: ['two:1'] },
      ],
      { gzip: true },
    )
      .filter(({ type }) => type !== 'directory')
      .reverse(),
  ),
};

/** Either nothing is offered, for a reason that names the archive, or what is offered is whole to the last byte. */
async function offersOnlyWholeImages(open: () => Promise<Archive>): Promise<'refused' | 'whole'> {
  let archive: Archive;
  try {
    archive = await open();
  } catch (thrown) {
    expect(toImgctlError(thrown).code).toMatch(
      /^archive_(?:empty|truncated|unreadable|no_images|incomplete)$/,
    );
    return 'refused';
  }
  await using opened = archive;
  const { images } = await describeImages(opened);
  for (const { platforms } of images) expect(platforms).not.toEqual([]);
  for (const { target } of opened.images) expect(await trueDigest(opened, target.digest)).toBe(target.digest);
  for (const { descriptor } of [...one.blobs, ...two.blobs]) {
    if (opened.sizeOf(descriptor.digest) !== undefined) {
      expect(await trueDigest(opened, descriptor.digest)).toBe(descriptor.digest);
    }
  }
  return 'whole';
}

describe.each(Object.entries(archives))('%s, cut off', (_, tar) => {
  it('at any byte, as a file, offers nothing that is not whole', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(tar.length - 1), async (length) => {
        await offersOnlyWholeImages(() => openFile(tar.subarray(0, length)));
      }),
      { numRuns: 60 },
    );
  });

  it('at any block, and one byte to either side, as a pipe, offers nothing that is not whole', async () => {
    for (let block = 0; block < tar.length / 512; block++) {
      for (const length of [block * 512 - 1, block * 512, block * 512 + 1]) {
        if (length >= 0) await offersOnlyWholeImages(() => openPipe(tar.subarray(0, length)));
      }
    }
  });

  it('before its last member is whole is refused', async () => {
    // The last members end two zero blocks before the end
    expect(await offersOnlyWholeImages(() => openFile(tar.subarray(0, tar.length - 1024 - 512)))).toBe(
      'refused',
    );
  });

  it('without the marker that ends it is still whole, as many tools write it', async () => {
    expect(await offersOnlyWholeImages(() => openFile(tar.subarray(0, tar.length - 1024)))).toBe('whole');
  });

  it.each([
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ] as const)('%s at any byte is refused, even behind the last file', async (_name, compress) => {
    const compressed = compress(tar);
    await fc.assert(
      fc.asyncProperty(fc.nat(compressed.length - 1), async (length) => {
        expect(await offersOnlyWholeImages(() => openPipe(compressed.subarray(0, length)))).toBe('refused');
      }),
      { numRuns: 40 },
    );
  });
});

it('names the file that was cut, and how much of it is missing', async () => {
  const tar = archives['an OCI layout, index first'];
  await expect(openFile(tar.subarray(0, tar.length - 1024 - 600))).rejects.toMatchObject({
    code: 'archive_truncated',
    message: expect.stringMatching(
      /blobs\/sha256\/[0-9a-f]{64} has \d+ bytes, the last \d+ of them are missing/,
    ),
    hint: expect.stringContaining('again'),
  });
});
