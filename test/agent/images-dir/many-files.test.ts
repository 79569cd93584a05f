import { writeFileSync } from 'node:fs';
import { link, mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createMemoryStore } from '../../../src/store/memory/memory-store.ts';
import { becomes } from '../../support/becomes.ts';
import { smallArchive } from '../archives.ts';
import { ask } from '../http.ts';
import { ImagesNode } from './images-node.ts';

const amd64 = { os: 'linux', architecture: 'amd64' };
/** More take longer than a test may. */
const many = 500;

/** Bytes that this process has written, to whatever it is. */
async function bytesWritten(): Promise<number> {
  return Number(/^wchar: (\d+)/m.exec(await readFile('/proc/self/io', 'latin1'))?.[1]);
}

it('hundreds of archives beside ten thousand other files are no hardship, at first, again, and when they go', async () => {
  const store = createMemoryStore({ platforms: [amd64] });
  const settings = { imagesDirPrune: true };
  await using node = await ImagesNode.start({ open: () => store, settings }, async (directory) => {
    await mkdir(`${directory}/all`);
    await writeFile(`${directory}/all/0.tar`, smallArchive());
    for (let i = 1; i < many; i += 1) await link(`${directory}/all/0.tar`, `${directory}/all/${i}.tar`);
    for (let i = 0; i < 10_000; i += 1) writeFileSync(`${directory}/all/${i}.json`, '');
  });
  const before = await bytesWritten();
  const readyAre = (count: number) =>
    becomes(
      async () => (await ask(node.agent, '/metrics')).text,
      (text) => text.includes(`imgctl_images_dir_files{state="ready"} ${count}\n`),
    );
  await readyAre(many);
  const { files } = await node.client.imagesDirectory();
  expect(new Set(files.map(({ path }) => path)).size).toBe(many);
  await node.restart();
  await readyAre(many);
  expect(node.messages('Importing images')).toEqual([]);
  // What is kept in mind is not written down anew for each file
  const memory = (await stat(join(node.dataDir, 'images-dir.json'))).size;
  expect((await bytesWritten()) - before).toBeLessThan(memory * 200);

  await rename(node.path('all'), join(node.directory, '..', 'elsewhere'));
  await becomes(
    async () => (await node.client.images()).map(({ pinned }) => pinned),
    (pins) => pins.every((pinned) => !pinned),
  );
  expect((await node.client.imagesDirectory()).files).toEqual([]);
});
