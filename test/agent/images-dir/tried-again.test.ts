import { writeFile } from 'node:fs/promises';
import { describe, expect, it, vi } from 'vitest';
import { BackOff } from '../../../src/agent/images-dir/back-off.ts';
import { digestOf } from '../../../src/image/digest.ts';
import { createMemoryStore } from '../../../src/store/memory/memory-store.ts';
import { becomes } from '../../support/becomes.ts';
import { imageOf, seededBytes } from '../../support/blobs.ts';
import { bundleArchive, smallArchive } from '../archives.ts';
import { ImagesNode } from './images-node.ts';

const platforms = [{ os: 'linux', architecture: 'amd64' }];

describe('a file of the images directory', () => {
  it('of which images fail again and again is tried ever more seldom', async () => {
    const waitsMs: number[] = [];
    const { failed } = BackOff.prototype;
    using _ = vi.spyOn(BackOff.prototype, 'failed').mockImplementation(function (this: BackOff, name, error) {
      failed.call(this, name, error);
      waitsMs.push(this.waitMs(name));
    });
    const faults = {
      name: () => {
        throw new Error('no name can be given');
      },
    };
    const store = createMemoryStore({ platforms, faults });
    const limits = { backOffMs: 50, backOffMostMs: 60_000 };
    await using _node = await ImagesNode.start({ open: () => store, limits }, (directory) =>
      writeFile(`${directory}/app.tar`, smallArchive()),
    );
    await becomes(
      () => waitsMs.length,
      (length) => length >= 4,
    );

    // 50, 100, 200, 400
    expect(waitsMs[3]).toBeGreaterThan(200);
  });

  it('that builds upon another is tried at once when that one came while it was read', async () => {
    const [bottom, top] = [seededBytes('bottom', 200_000), seededBytes('top', 1000)];
    const whole = imageOf([bottom, top]);
    const [left] = whole.layers;
    const base = bundleArchive(imageOf([bottom]), 'app:1');
    const others = whole.blobs.filter(({ descriptor }) => descriptor.digest !== left?.descriptor.digest);
    const delta = bundleArchive({ ...whole, blobs: others }, 'app:2', {
      'dev.imgctl.bundle.base.digest': digestOf(base),
      'dev.imgctl.bundle.base.name': 'june.tar.zst',
    });
    const store = createMemoryStore({ platforms });
    const [failing, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const { openLease } = store;
    // The first is the delta's: it has found out what is missing when it leaves
    store.openLease = async (options) => {
      store.openLease = openLease;
      const lease = await openLease.call(store, options);
      const leave = lease.leave.bind(lease);
      lease.leave = async () => {
        failing.resolve();
        await goOn.promise;
        await leave();
      };
      return lease;
    };
    const limits = { backOffMs: 600_000, backOffMostMs: 600_000 };
    await using node = await ImagesNode.start({ open: () => store, limits }, (directory) =>
      writeFile(`${directory}/delta.tar`, delta),
    );
    await failing.promise;
    await writeFile(node.path('june.tar'), base);
    await node.ready('june.tar');
    goOn.resolve();

    await node.ready('delta.tar');
  });
});
