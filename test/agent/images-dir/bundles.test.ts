import { rename, rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { digestOf } from '../../../src/image/digest.ts';
import { createMemoryStore } from '../../../src/store/memory/memory-store.ts';
import { becomes } from '../../support/becomes.ts';
import { imageOf, seededBytes } from '../../support/blobs.ts';
import { bundleArchive, partsOf, smallArchive } from '../archives.ts';
import { ImagesNode, tagsIn } from './images-node.ts';

const image = imageOf([seededBytes('one', 300_000), seededBytes('two', 300_000)]);
const names = ['app.tar.zst.001', 'app.tar.zst.002', 'app.tar.zst.003'];

describe('the parts of a divided bundle', () => {
  it.each([[[0, 1, 2]], [[2, 1, 0]], [[1, 2, 0]]])(
    'wait for each other, told so, and are imported once when the last one is there: %j',
    async (order) => {
      const parts = partsOf(bundleArchive(image, 'app:1'), 3);
      await using node = await ImagesNode.start();
      for (const [nth, i] of order.entries()) {
        const name = names[i] ?? '';
        await writeFile(node.path(name), parts[i] ?? '');
        if (nth < 2) {
          const { error } = await node.file(
            name,
            (file) => file.state === 'waiting' && file.error !== undefined,
          );
          expect(error).toMatchObject({
            code: 'archive_incomplete',
            message: expect.stringMatching(/of 3 .* not here/),
          });
        }
      }

      for (const name of names) await node.ready(name);
      expect((await node.ready(names[0] ?? '')).images).toMatchObject([{ state: 'ready' }]);
      expect(await tagsIn(node.store)).toEqual(['docker.io/library/app:1']);
      expect(node.messages('Importing images from')).toHaveLength(1);
    },
  );

  it('are all there after a restart, and none is read again', async () => {
    const parts = partsOf(bundleArchive(image, 'app:1'), 3);
    await using node = await ImagesNode.start({}, async (directory) => {
      for (const [i, part] of parts.entries()) await writeFile(`${directory}/${names[i]}`, part);
    });
    for (const name of names) await node.ready(name);
    await node.restart();

    for (const name of names) await node.ready(name);
    expect(node.messages('Importing images from')).toEqual([]);
  });

  it('that are cut short, or of another bundle, do not count', async () => {
    const parts = partsOf(bundleArchive(image, 'app:1'), 2);
    const others = partsOf(bundleArchive(imageOf(['other']), 'other:1'), 2);
    await using node = await ImagesNode.start({}, async (directory) => {
      await writeFile(`${directory}/a.tar.001`, parts[0] ?? '');
      await writeFile(`${directory}/a.tar.002`, (parts[1] ?? Buffer.alloc(0)).subarray(0, -1));
      await writeFile(`${directory}/b.tar.002`, others[1] ?? '');
    });

    expect((await node.failed('a.tar.002')).error?.code).toBe('archive_truncated');
    await node.file('a.tar.001', ({ state, error }) => state === 'waiting' && error !== undefined);
    await node.file('b.tar.002', ({ state, error }) => state === 'waiting' && error !== undefined);
    expect(await tagsIn(node.store)).toEqual([]);
    await writeFile(node.path('whole'), parts[1] ?? '');
    await rename(node.path('whole'), node.path('a.tar.002'));
    await node.ready('a.tar.001');
    await node.ready('a.tar.002');
  });
});

describe('a delta bundle', () => {
  it('says which bundle it builds upon where the node lacks that, and is imported when it has come', async () => {
    const [bottom, top] = [seededBytes('bottom', 200_000), seededBytes('top', 1000)];
    const base = bundleArchive(imageOf([bottom]), 'app:1');
    const whole = imageOf([bottom, top]);
    const [left] = whole.layers;
    const delta = bundleArchive(
      {
        ...whole,
        blobs: whole.blobs.filter(({ descriptor }) => descriptor.digest !== left?.descriptor.digest),
      },
      'app:2',
      {
        'dev.imgctl.bundle.base.digest': digestOf(base),
        'dev.imgctl.bundle.base.name': 'june.tar.zst',
      },
    );
    for (const [name, bytes] of [
      ['delta.tar', delta],
      ['delta.tar.zst', zstdCompressSync(delta)],
    ] as const) {
      const store = createMemoryStore({ platforms: [{ os: 'linux', architecture: 'amd64' }] });
      const limits = { backOffMs: 600_000, backOffMostMs: 600_000 };
      await using node = await ImagesNode.start({ open: () => store, limits }, (directory) =>
        writeFile(`${directory}/${name}`, bytes),
      );
      const { error, images } = await node.failed(name);
      expect((error ?? images[0]?.error)?.message).toContain('june.tar.zst');
      await writeFile(node.path('june.tar'), base);

      await node.ready(name);
      expect(await tagsIn(store)).toEqual(['docker.io/library/app:1', 'docker.io/library/app:2']);
    }
  });
});

describe('files that give different images under one name', () => {
  const digestIn = async (node: ImagesNode) =>
    (await node.store.getImage('docker.io/library/app:1'))?.target.digest;

  it('count by the time at which they came, whatever is read first, and after each restart', async () => {
    const [older, newer] = [imageOf(['older']), imageOf(['newer'])];
    await using node = await ImagesNode.start({}, async (directory) => {
      await writeFile(`${directory}/z.tar`, bundleArchive(older, 'app:1'));
      // The kernel's clock for times of change ticks every few milliseconds
      await sleep(50);
      await writeFile(`${directory}/a.tar.zst`, zstdCompressSync(bundleArchive(newer, 'app:1')));
    });
    const settled = async () => {
      await node.file('z.tar', ({ images }) => images[0]?.state === 'superseded');
      await node.file('a.tar.zst', ({ images }) => images[0]?.state === 'ready');
      expect(await digestIn(node)).toBe(newer.target.digest);
    };
    await settled();

    for (const concurrency of [1, 4]) {
      await node.stop();
      await node.begin({ imagesDirConcurrency: concurrency });
      await settled();
      expect(node.messages('Importing images')).toEqual([]);
    }
    await rm(node.path('a.tar.zst'));
    await node.file('z.tar', ({ images }) => images[0]?.state === 'ready');
    expect(await digestIn(node)).toBe(older.target.digest);
  });

  it.each([
    ['0.tar', (bytes: Buffer) => bytes],
    ['0.tar.zst', zstdCompressSync],
  ])('a file that comes later has the name: %s', async (name, write) => {
    await using node = await ImagesNode.start({}, (directory) =>
      writeFile(`${directory}/a.tar`, smallArchive('app:1')),
    );
    await node.ready('a.tar');
    const later = imageOf(['later']);
    await writeFile(node.path(name), write(bundleArchive(later, 'app:1')));

    await node.file('a.tar', ({ images }) => images[0]?.state === 'superseded');
    await becomes(
      () => digestIn(node),
      (digest) => digest === later.target.digest,
    );
  });
});
