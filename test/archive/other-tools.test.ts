import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { describeImages, openArchive } from '../../src/archive/archive.ts';
import { type ArchiveSink, importArchiveStream } from '../../src/archive/stream-archive.ts';
import { type Digest, digestOf } from '../../src/image/digest.ts';
import { inChunks, ociLayout, randomImage, tarOf } from '../support/archives.ts';
import { fileWith, folder, listing, openFile, trueDigest } from './opened.ts';
import { hasTool, run } from './tools.ts';

/** Archives that were not made here: they are the proof that the others resemble what users have. */

const real = fileURLToPath(new URL('../../../shared/archives', import.meta.url));

describe.runIf(existsSync(real))('the real archive', () => {
  // The digests are those under which containerd's own `ctr images import` knows them
  it.each([
    [
      'alpine-3.10.tar.gz',
      3,
      [
        [
          'docker.io/library/alpine:3.10',
          'sha256:955baf60802a0e11a59634435ea5bce99ec4876ad206ff347a59eb9c4ed6bee9',
        ],
      ],
    ],
    [
      'docker-save-legacy.tar',
      16,
      [
        [
          'docker.io/library/dive-test:latest',
          'sha256:a9a2a5d0a9e42278e5289e2ae21dfb2ddda433876ef8e7d3984bb87f85f09ea1',
        ],
      ],
    ],
    [
      'docker-save-two-images.tar',
      6,
      [
        [
          'docker.io/library/test_image_2:latest',
          'sha256:a95c18d106b7e5e95d89d0b557e910ec5cb13f80d55c141e5eb4d0bcd448cb24',
        ],
        [
          'docker.io/library/test_image_1:latest',
          'sha256:ea894cefba80bfe638e9bd1b497994f089032e1c816316513a3b7bc5c79a2490',
        ],
      ],
    ],
  ])('%s', async (file, blobs, images) => {
    const path = join(real, file);
    await using archive = await openArchive({ kind: 'path', path });
    expect(listing(archive)).toEqual(images);
    const described = await describeImages(archive);
    for (const image of described.images) expect(image.platforms).toEqual(['linux/amd64']);
    expect(described.blobs).toBe(blobs);
    const sink = new Set<Digest>();
    const streamed = await importArchiveStream(inChunks(readFileSync(path)), hashing(sink));
    expect(listing(streamed)).toEqual(images);
    for (const digest of sink) expect(await trueDigest(archive, digest)).toBe(digest);
  });

  it('docker-25-hello-world.tar, which was saved by its ID and has no name', async () => {
    const path = join(real, 'docker-25-hello-world.tar');
    await using archive = await openArchive({ kind: 'path', path }, { tag: 'hello:1' });
    const { images } = await describeImages(archive);
    expect(images).toMatchObject([{ name: 'docker.io/library/hello:1', platforms: ['linux/arm64'] }]);
  });

  it('alpine, decompressed and cut in the middle of its layer', async () => {
    const tar = gunzipSync(readFileSync(join(real, 'alpine-3.10.tar.gz')));
    await expect(openFile(tar.subarray(0, tar.length / 2))).rejects.toMatchObject({
      code: 'archive_truncated',
    });
  });
});

describe.runIf(hasTool('skopeo'))('skopeo', () => {
  const copy = (...args: string[]) => run('skopeo', ['--insecure-policy', 'copy', ...args]);

  it('writes oci-archive and docker-archive, which give the same image', async () => {
    const image = await randomImage({ seed: 'skopeo', gzip: true });
    const source = fileWith(
      await tarOf(ociLayout([{ image, annotations: { 'org.opencontainers.image.ref.name': 'one' } }])),
    );
    const work = mkdtempSync(join(folder, 'skopeo-'));
    copy(`oci-archive:${source}:one`, `oci-archive:${work}/oci.tar:registry.example.com/app:1`);
    copy(`oci-archive:${source}:one`, `docker-archive:${work}/docker.tar:registry.example.com/app:1`);
    await using oci = await openArchive({ kind: 'path', path: join(work, 'oci.tar') });
    expect(listing(oci)).toEqual([['registry.example.com/app:1', image.target.digest]]);
    await using docker = await openArchive({ kind: 'path', path: join(work, 'docker.tar') });
    expect(docker.images[0]?.name).toBe('registry.example.com/app:1');
    // Docker's archive has the layers decompressed
    for (const layer of image.layerTars)
      expect(await trueDigest(docker, digestOf(layer))).toBe(digestOf(layer));
    expect((await describeImages(docker)).images[0]?.platforms).toEqual(['linux/amd64']);
  });
});

function hashing(into: Set<Digest>): ArchiveSink {
  return {
    async put(_blob, chunks) {
      const digest = digestOf(Buffer.concat(await Array.fromAsync(chunks)));
      into.add(digest);
      return digest;
    },
  };
}
