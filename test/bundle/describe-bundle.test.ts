import { describe, expect, it } from 'vitest';
import { describeBundle } from '../../src/bundle/describe-bundle.ts';
import type { Digest } from '../../src/image/digest.ts';
import { openFile } from '../archive/opened.ts';
import {
  dockerSave,
  indexOf,
  type NamedImage,
  ociLayout,
  randomImage,
  type SingleImage,
  tarOf,
} from '../support/archives.ts';
import { imageUpon } from '../support/image-upon.ts';

const app = await randomImage({ seed: 'app', layers: 2, gzip: true });
const arm = await randomImage({ seed: 'app', layers: 3, platform: 'linux/arm64' });

async function described(images: readonly NamedImage[], without: readonly Digest[] = []) {
  await using archive = await openFile(await tarOf(ociLayout(images, { without })), {
    unnamed: 'keep',
    incomplete: 'keep',
  });
  return await describeBundle(archive);
}

/** Bytes of all that a single image is made of. */
function bytesOf({ blobs }: SingleImage): number {
  return blobs.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
}

describe('what a bundle is said to hold', () => {
  it('tells each platform of an image: whole, lacking a layer, or left out', async () => {
    const windows = await randomImage({ seed: 'app', platform: 'windows/amd64' });
    const index = indexOf([app, arm, windows]);
    const [lost] = arm.layers;
    const gone = windows.blobs.map(({ descriptor }) => descriptor.digest);
    const { images } = await described(
      [{ image: index, name: 'app:1' }],
      [lost?.descriptor.digest ?? app.target.digest, ...gone],
    );
    expect(images).toMatchObject([
      {
        name: 'docker.io/library/app:1',
        digest: index.target.digest,
        platforms: [
          { platform: 'linux/amd64', state: 'whole', layers: 2, bytes: bytesOf(app), missing: [] },
          { platform: 'linux/arm64', state: 'incomplete', layers: 3, missing: [lost?.descriptor.digest] },
          { platform: 'windows/amd64', state: 'absent', missing: [windows.target.digest] },
        ],
      },
    ]);
  });

  it('counts a layer of two images once, and names both', async () => {
    const web = await imageUpon(app, 'web');
    const result = await described([
      { image: app, name: 'app:1' },
      { image: web, name: 'web:1' },
    ]);
    const shared = app.layers.map(({ descriptor: { digest, size } }) => ({
      digest,
      size,
      images: ['docker.io/library/app:1', 'docker.io/library/web:1'],
    }));
    expect(result.shared).toHaveLength(2);
    expect(result.shared).toEqual(expect.arrayContaining(shared));
    const twice = shared.reduce((sum, { size }) => sum + size, 0);
    expect(result.bytes).toBe(bytesOf(app) + bytesOf(web) - twice);
    expect(result.images.map(({ platforms }) => platforms[0]?.sharedBytes)).toEqual([twice, twice]);
  });

  it('takes two names of one image for one image', async () => {
    const result = await described([
      { image: app, name: 'app:1' },
      { image: app, name: 'app:latest' },
    ]);
    expect(result.shared).toEqual([]);
    expect(result.needs).toMatchObject([{ platform: 'linux/amd64', images: 1, bytes: bytesOf(app) }]);
  });

  it('says for each platform what a node that has nothing gets, and that it takes more when unpacked', async () => {
    const result = await described([{ image: indexOf([app, arm]), name: 'app:1' }]);
    const unpacked = (image: SingleImage) => image.layerTars.reduce((sum, tar) => sum + tar.byteLength, 0);
    expect(result.needs).toEqual([
      { platform: 'linux/amd64', images: 1, bytes: bytesOf(app), unpackedBytes: unpacked(app) },
      { platform: 'linux/arm64', images: 1, bytes: bytesOf(arm), unpackedBytes: unpacked(arm) },
    ]);
  });

  it('reads what docker save writes, and images without a name', async () => {
    await using archive = await openFile(await tarOf(dockerSave([{ image: app, tags: null }])), {
      unnamed: 'keep',
    });
    const { images } = await describeBundle(archive);
    expect(images).toMatchObject([
      { name: undefined, platforms: [{ platform: 'linux/amd64', state: 'whole' }] },
    ]);
  });
});
