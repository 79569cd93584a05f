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
  it.each([
    ['alpine-3.10.tar.gz', ['docker.io/library/alpine:3.10'], ['linux/amd64'], 3],
    ['docker-save-legacy.tar', ['docker.io/library/dive-test:latest'], ['linux/amd64'], 16],
    [
      'docker-save-two-images.tar',
      ['docker.io/library/test_image_2:latest', 'docker.io/library/test_image_1:latest'],
      ['linux/amd64'],
      undefined,
    ],
  ])('%s', async (file, names, platforms, blobs) => {
    const path = join(real, file);
    await using archive = await openArchive({ kind: 'path', path });
    const described = await describeImages(archive);
    expect(described.images.map(({ name }) => name)).toEqual(names);
    for (const image of described.images) expect(image.platforms).toEqual(platforms);
    if (blobs !== undefined) expect(described.blobs).toBe(blobs);
    const sink = new Set<Digest>();
    const streamed = await importArchiveStream(inChunks(readFileSync(path)), hashing(sink));
    expect(listing(streamed)).toEqual(listing(archive));
    for (const digest of sink)
      if (archive.sizeOf(digest)) expect(await trueDigest(archive, digest)).toBe(digest);
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
