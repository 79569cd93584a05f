import { writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { createMemoryStore } from '../../../src/store/memory/memory-store.ts';
import { becomes } from '../../support/becomes.ts';
import { imageOf } from '../../support/blobs.ts';
import { ociArchive } from '../archives.ts';
import { ImagesNode } from './images-node.ts';

const amd64 = { os: 'linux', architecture: 'amd64' };

it.each([
  ['.tar', (bytes: Buffer) => bytes],
  ['.tgz', gzipSync],
])('as many files are read at once as it is told, and the others wait: %s', async (ending, write) => {
  const { promise: go, resolve: release } = Promise.withResolvers<void>();
  const store = createMemoryStore({ platforms: [amd64], faults: { write: () => go } });
  await using node = await ImagesNode.start(
    { open: () => store, settings: { imagesDirConcurrency: 2 } },
    async (directory) => {
      for (const i of [1, 2, 3, 4])
        await writeFile(`${directory}/${i}${ending}`, write(ociArchive(imageOf([`${i}`]), `app:${i}`)));
    },
  );
  const states = async () => (await node.client.imagesDirectory()).files.map(({ state }) => state).toSorted();

  expect(await becomes(states, (now) => now.includes('importing') && !now.includes('arriving'))).toEqual([
    ...['importing', 'importing'],
    ...['waiting', 'waiting'],
  ]);
  release();
  for (const i of [1, 2, 3, 4]) await node.ready(`${i}${ending}`);
});
