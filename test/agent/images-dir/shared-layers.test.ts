import { writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { createMemoryStore } from '../../../src/store/memory/memory-store.ts';
import { imageOf, seededBytes } from '../../support/blobs.ts';
import { ociArchive } from '../archives.ts';
import { ImagesNode, tagsIn } from './images-node.ts';

const amd64 = { os: 'linux', architecture: 'amd64' };

it.each([
  ['as they are', '.tar', (bytes: Buffer) => bytes],
  ['compressed', '.tgz', gzipSync],
])('a layer that files share is written once, though they are read at once, %s', async (_, ending, write) => {
  const shared = seededBytes('shared', 4_000_000);
  const images = [1, 2, 3].map((n) => imageOf([shared, `of ${n} alone`]));
  const layer = images[0]?.layers[0]?.descriptor.digest;
  const written: number[] = [];
  const faults = {
    write: (blob: { digest: string }, offset: number) => {
      if (blob.digest === layer) written.push(offset);
    },
  };
  const store = createMemoryStore({ platforms: [amd64], faults });
  await using node = await ImagesNode.start(
    { open: () => store, settings: { imagesDirConcurrency: 3 } },
    async (directory) => {
      for (const [i, image] of images.entries())
        await writeFile(`${directory}/${i}${ending}`, write(ociArchive(image, `app:${i}`)));
    },
  );
  for (const i of images.keys()) await node.ready(`${i}${ending}`);

  expect(await tagsIn(store)).toHaveLength(3);
  expect(written.length).toBeGreaterThan(0);
  expect(new Set(written).size).toBe(written.length);
});
