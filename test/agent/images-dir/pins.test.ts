import { rename, rm, writeFile } from 'node:fs/promises';
import { describe, it } from 'vitest';
import { ImgctlError } from '../../../src/errors.ts';
import { createMemoryStore } from '../../../src/store/memory/memory-store.ts';
import { becomes } from '../../support/becomes.ts';
import { smallArchive } from '../archives.ts';
import { ImagesNode } from './images-node.ts';

describe('with --images-dir-prune', () => {
  const settings = { imagesDirPrune: true };

  /** A store with `app:1` of app.tar, in which `before` comes before an image is unpinned. */
  async function start(before: () => Promise<void>) {
    const store = createMemoryStore({ platforms: [{ os: 'linux', architecture: 'amd64' }] });
    const { tagImage } = store;
    store.tagImage = async (image, signal) => {
      await before();
      return tagImage.call(store, image, signal);
    };
    const node = await ImagesNode.start({ open: () => store, settings }, (directory) =>
      writeFile(`${directory}/app.tar`, smallArchive('app:1')),
    );
    await node.ready('app.tar');
    return node;
  }
  const arePinned = (node: ImagesNode, pins: Readonly<Record<string, boolean>>) =>
    becomes(
      async () =>
        Object.fromEntries(
          (await node.client.images()).map(({ name, pinned }) => [name.split('/').at(-1), pinned]),
        ),
      (now) => Object.entries(pins).every(([name, pinned]) => now[name] === pinned),
    );
  const failingOnce = () => {
    let failed = false;
    return async () => {
      if (failed) return;
      failed = true;
      throw new ImgctlError('store_unreachable', 'the store restarts');
    };
  };

  it('an image stays pinned whose file is renamed, however the two cross', async () => {
    const [reached, opened] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    await using node = await start(() => {
      reached.resolve();
      return opened.promise;
    });
    await rename(node.path('app.tar'), node.path('other.tar'));
    await reached.promise;
    await node.ready('other.tar');
    opened.resolve();
    await becomes(
      () => node.messages('images unpinned'),
      ({ length }) => length > 0,
    );

    await arePinned(node, { 'app:1': true });
  });

  it('an image of a deleted file is unpinned when the store is there again', async () => {
    await using node = await start(failingOnce());
    await rm(node.path('app.tar'));

    await arePinned(node, { 'app:1': false });
  });

  it('an image that a new file does not give any more is unpinned when the store is there again', async () => {
    await using node = await start(failingOnce());
    await writeFile(node.path('app.tar'), smallArchive('app:2'));

    await arePinned(node, { 'app:1': false, 'app:2': true });
  });
});
