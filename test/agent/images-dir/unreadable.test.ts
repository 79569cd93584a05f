import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createMemoryStore } from '../../../src/store/memory/memory-store.ts';
import { becomes } from '../../support/becomes.ts';
import { partsOf, smallArchive } from '../archives.ts';
import { ImagesNode } from './images-node.ts';

const open = () => createMemoryStore({ platforms: [{ os: 'linux', architecture: 'amd64' }] });

/** While the agent is somebody who may not read what is root's. */
async function asNobody(work: () => Promise<void>): Promise<void> {
  process.seteuid?.(65534);
  try {
    await work();
  } finally {
    process.seteuid?.(0);
  }
}

/** Everybody may write into its images directory. */
async function openTo(node: ImagesNode): Promise<void> {
  await chmod(dirname(node.directory), 0o755);
  await chmod(node.directory, 0o777);
}

describe.skipIf(process.getuid?.() !== 0)(
  'a file of the images directory that cannot be read for a while',
  () => {
    it('and does not change comes when it can be read', async () => {
      await using node = await ImagesNode.start({ open });
      await openTo(node);
      await asNobody(async () => {
        await writeFile(node.path('app.tar'), smallArchive(), { mode: 0 });
        await node.failed('app.tar');
      });

      await node.ready('app.tar');
    });

    it('and is a part of a bundle comes with the others', async () => {
      await using node = await ImagesNode.start({ open });
      await openTo(node);
      const parts = partsOf(smallArchive(), 2);
      await asNobody(async () => {
        for (const [i, part] of parts.entries())
          await writeFile(node.path(`app.tar.zst.00${i + 1}`), part, { mode: 0 });
        for (const i of parts.keys()) await node.failed(`app.tar.zst.00${i + 1}`);
      });

      for (const i of parts.keys()) await node.ready(`app.tar.zst.00${i + 1}`);
    });

    it('is not taken for deleted, nor what it gave unpinned', async () => {
      const settings = { imagesDirPrune: true };
      await using node = await ImagesNode.start({ open, settings }, async (directory) => {
        await mkdir(`${directory}/sub`);
        await writeFile(`${directory}/sub/app.tar`, smallArchive());
      });
      await openTo(node);
      const app = join('sub', 'app.tar');
      await node.ready(app);
      // What stands in it can be listed, and no more
      await chmod(node.path('sub'), 0o744);
      await asNobody(async () => {
        const { error } = await becomes(
          () => node.client.imagesDirectory(),
          (status) => status.error !== undefined || status.files.length === 0,
        );
        expect(error?.message).toContain(node.path(app));
      });

      expect(await node.ready(app)).toMatchObject({ state: 'ready' });
      expect(await node.client.images()).toMatchObject([{ pinned: true }]);
    });
  },
);
