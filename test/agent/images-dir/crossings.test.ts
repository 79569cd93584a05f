import { open, rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createMemoryStore } from '../../../src/store/memory/memory-store.ts';
import { becomes } from '../../support/becomes.ts';
import { smallArchive } from '../archives.ts';
import { ImagesNode } from './images-node.ts';

const platforms = [{ os: 'linux', architecture: 'amd64' }];

/** Holds up whoever passes the gate, until it is opened. */
function gate() {
  const reached = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  return {
    reached: reached.promise,
    open: opened.resolve,
    pass: () => {
      reached.resolve();
      return opened.promise;
    },
  };
}

describe('a file of the images directory that changes', () => {
  it('while others are read before it is not read before it is whole', async () => {
    const busy = gate();
    const store = createMemoryStore({ platforms, faults: { write: busy.pass } });
    const settings = { imagesDirConcurrency: 1 };
    await using node = await ImagesNode.start({ open: () => store, settings }, (directory) =>
      writeFile(`${directory}/first.tar`, smallArchive('first:1')),
    );
    await busy.reached;
    await writeFile(node.path('app.tar'), smallArchive('app:1'));
    await node.file('app.tar', ({ state }) => state === 'waiting');
    const next = smallArchive('app:2');
    {
      await using file = await open(node.path('app.tar'), 'w');
      await file.write(next.subarray(0, 3000));
      await node.file('app.tar', ({ state }) => state === 'arriving');
      busy.open();
      await node.ready('first.tar');
      await sleep(300);
      await file.write(next.subarray(3000));
    }

    const { images } = await node.ready('app.tar');
    expect(images).toMatchObject([{ name: 'docker.io/library/app:2' }]);
    expect(node.messages(`Importing images from ${node.path('app.tar')}`)).toHaveLength(1);
  });

  it('while it is read, in vain, is not read again before it is whole', async () => {
    const busy = gate();
    const faults = {
      write: async () => {
        await busy.pass();
        throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
      },
    };
    const store = createMemoryStore({ platforms, faults });
    await using node = await ImagesNode.start({ open: () => store }, (directory) =>
      writeFile(`${directory}/app.tar`, smallArchive('app:1')),
    );
    await busy.reached;
    const before = (await node.client.imagesDirectory()).files[0]?.size;
    await using file = await open(node.path('app.tar'), 'w');
    await file.write(smallArchive('app:2').subarray(0, 3000));
    await node.file('app.tar', ({ size }) => size !== before);
    busy.open();
    await becomes(
      () => node.messages('Images from'),
      ({ length }) => length > 0,
    );
    // Longer than what failed waits for the next try
    await sleep(500);

    expect(await node.file('app.tar', () => true)).toMatchObject({ state: 'arriving' });
    expect(node.messages('Importing images from')).toHaveLength(1);
  });

  it('and is gone twice while it is read is there when it comes the third time', async () => {
    const busy = gate();
    const store = createMemoryStore({ platforms, faults: { write: busy.pass } });
    // Slow to unpin, so that the last one comes meanwhile
    const [unpinning, settings] = [gate(), { imagesDirPrune: true }];
    const { tagImage } = store;
    store.tagImage = async (image, signal) => {
      await unpinning.pass();
      return tagImage.call(store, image, signal);
    };
    await using node = await ImagesNode.start({ open: () => store, settings }, (directory) =>
      writeFile(`${directory}/app.tar`, smallArchive('app:1')),
    );
    await busy.reached;
    const isThere = (there: boolean) =>
      becomes(
        () => node.client.imagesDirectory(),
        ({ files }) => files.length === Number(there),
      );
    await rm(node.path('app.tar'));
    await isThere(false);
    await writeFile(node.path('app.tar'), smallArchive('app:2'));
    await isThere(true);
    await rm(node.path('app.tar'));
    await isThere(false);
    busy.open();
    await unpinning.reached;
    await writeFile(node.path('app.tar'), smallArchive('app:3'));
    await isThere(true);
    unpinning.open();

    const { images } = await node.ready('app.tar');
    expect(images).toMatchObject([{ name: 'docker.io/library/app:3' }]);
  });
});
