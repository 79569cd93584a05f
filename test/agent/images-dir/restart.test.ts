import { appendFile, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { becomes } from '../../support/becomes.ts';
import { imageOf, seededBytes } from '../../support/blobs.ts';
import { bundleArchive, ociArchive, smallArchive } from '../archives.ts';
import { ImagesNode, tagsIn } from './images-node.ts';

/** Three layers that gzip makes nothing smaller of. */
function largeArchive(name: string): Buffer {
  return ociArchive(imageOf([1, 2, 3].map((n) => seededBytes(`${name} ${n}`, 8_000_000))), name);
}

/** Bytes that this process has read, from whatever it is. */
async function bytesRead(): Promise<number> {
  return Number(/^rchar: (\d+)/m.exec(await readFile('/proc/self/io', 'latin1'))?.[1]);
}

describe('an agent that starts again with an images directory', () => {
  it('reads next to nothing of archives whose images the store has, compressed or not', async () => {
    await using node = await ImagesNode.start({}, async (directory) => {
      await writeFile(`${directory}/plain.tar`, largeArchive('app:1'));
      await writeFile(`${directory}/packed.tgz`, gzipSync(largeArchive('app:2')));
    });
    await node.ready('plain.tar');
    await node.ready('packed.tgz');
    await node.stop();

    const before = await bytesRead();
    await node.begin();
    const [plain, packed] = [await node.ready('plain.tar'), await node.ready('packed.tgz')];
    expect((await bytesRead()) - before).toBeLessThan(4_000_000);
    expect([...plain.images, ...packed.images].map(({ state }) => state)).toEqual(['ready', 'ready']);
    expect(node.messages('Importing images')).toEqual([]);
  });

  it('reads no layer of an archive that is not compressed, also when it remembers nothing', async () => {
    await using node = await ImagesNode.start({}, (directory) =>
      writeFile(`${directory}/plain.tar`, largeArchive('app:1')),
    );
    await node.ready('plain.tar');
    await node.stop();
    await rm(join(node.dataDir, 'images-dir.json'));

    const before = await bytesRead();
    await node.begin();
    await node.ready('plain.tar');
    expect((await bytesRead()) - before).toBeLessThan(4_000_000);
    expect(node.messages('Importing images')).toEqual([]);
  });

  it('reads the beginning alone of a compressed bundle, also when it remembers nothing, and all of it when the store lacks some', async () => {
    const image = imageOf([1, 2, 3].map((n) => seededBytes(`bundle ${n}`, 8_000_000)));
    await using node = await ImagesNode.start({}, (directory) =>
      writeFile(`${directory}/bundle.tar.zst`, zstdCompressSync(bundleArchive(image, 'app:1'))),
    );
    await node.ready('bundle.tar.zst');
    await node.stop();
    await rm(join(node.dataDir, 'images-dir.json'));

    const before = await bytesRead();
    await node.begin();
    expect(await node.ready('bundle.tar.zst')).toMatchObject({
      images: [{ name: 'docker.io/library/app:1', digest: image.target.digest, state: 'ready' }],
    });
    expect((await bytesRead()) - before).toBeLessThan(4_000_000);
    expect(node.messages('Importing images')).toEqual([]);
    await node.client.removeImage('app:1');
    await node.stop();
    await rm(join(node.dataDir, 'images-dir.json'));
    await node.begin();
    await node.ready('bundle.tar.zst');
    expect(await tagsIn(node.store)).toEqual(['docker.io/library/app:1']);
  });

  it.each(['plain.tar', 'packed.tar.gz'])('brings back an image of %s that was removed', async (name) => {
    await using node = await ImagesNode.start({}, async (directory) => {
      const archive = smallArchive();
      await writeFile(`${directory}/.cache.json`, '');
      await writeFile(`${directory}/${name}`, name.endsWith('gz') ? gzipSync(archive) : archive);
    });
    await node.ready(name);
    await node.client.removeImage('app:1');
    expect(await tagsIn(node.store)).toEqual([]);
    await node.restart();

    await node.ready(name);
    expect(await tagsIn(node.store)).toEqual(['docker.io/library/app:1']);
  });

  it('goes on where it was stopped', async () => {
    await using node = await ImagesNode.start({}, async (directory) => {
      for (const n of [1, 2, 3, 4]) await writeFile(`${directory}/${n}.tar`, largeArchive(`app:${n}`));
    });
    await node.restart();

    for (const n of [1, 2, 3, 4]) await node.ready(`${n}.tar`);
    expect(await tagsIn(node.store)).toHaveLength(4);
  });

  it('is not held up by a memory that is damaged', async () => {
    await using node = await ImagesNode.start({}, (directory) =>
      writeFile(`${directory}/app.tar`, smallArchive()),
    );
    await node.ready('app.tar');
    await node.stop();
    await appendFile(join(node.dataDir, 'images-dir.json'), '}');
    await writeFile(node.path('.cache.json'), '{"half');
    await node.begin();

    await node.ready('app.tar');
  });
});

describe('.cache.json', () => {
  const cacheOf = async (node: ImagesNode) =>
    JSON.parse((await readFile(node.path('.cache.json'), 'utf8')) || '{}');

  it('is kept as K3s keeps it, where somebody made it', async () => {
    await using node = await ImagesNode.start({}, async (directory) => {
      await writeFile(`${directory}/.cache.json`, '');
      await writeFile(`${directory}/app.tar`, smallArchive());
      await writeFile(`${directory}/old.tar`, smallArchive('old:1'));
    });
    const path = node.path('app.tar');
    await becomes(
      () => cacheOf(node),
      (cache) => Object.keys(cache).length === 2,
    );

    const { size, mtimeNs } = await stat(path, { bigint: true });
    const entry = (await cacheOf(node))[path];
    expect(entry).toEqual({
      size: Number(size),
      modTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d*[1-9])?Z$/),
      images: ['docker.io/library/app:1'],
    });
    const fraction = (/\.(\d+)Z/.exec(entry.modTime)?.[1] ?? '').padEnd(9, '0');
    expect(BigInt(fraction)).toBe(mtimeNs % 1_000_000_000n);
    expect(Math.floor(Date.parse(entry.modTime) / 1000)).toBe(Number(mtimeNs / 1_000_000_000n));
    await rm(node.path('old.tar'));
    await becomes(
      () => cacheOf(node),
      (cache) => Object.keys(cache).length === 1,
    );
  });

  it('is not made where nobody did', async () => {
    await using node = await ImagesNode.start({}, (directory) =>
      writeFile(`${directory}/app.tar`, smallArchive()),
    );
    await node.ready('app.tar');

    await expect(stat(node.path('.cache.json'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('of K3s itself spares reading compressed archives, as far as the store has the images', async () => {
    await using node = await ImagesNode.start({}, async (directory) => {
      await writeFile(`${directory}/one.tgz`, gzipSync(smallArchive('app:1')));
      await writeFile(`${directory}/two.tgz`, gzipSync(smallArchive('app:2')));
      await writeFile(`${directory}/.cache.json`, '');
    });
    for (const name of ['one.tgz', 'two.tgz']) await node.ready(name);
    await node.client.removeImage('app:2');
    await node.stop();
    // As another program left it: our own memory of it is not there
    await rm(join(node.dataDir, 'images-dir.json'));
    const cache = await cacheOf(node);
    for (const entry of Object.values<{ modTime: string }>(cache))
      entry.modTime = entry.modTime.replace('Z', '+00:00');
    await writeFile(node.path('.cache.json'), JSON.stringify(cache));
    await node.begin();

    for (const name of ['one.tgz', 'two.tgz']) await node.ready(name);
    expect(node.messages('Importing images from')).toEqual([`Importing images from ${node.path('two.tgz')}`]);
    expect(await tagsIn(node.store)).toEqual(['docker.io/library/app:1', 'docker.io/library/app:2']);
  });

  it('does not count for a file whose size or time it does not have, or whose images it does not know', async () => {
    const entries: Record<string, (entry: Record<string, unknown>) => object | undefined> = {
      'same.tgz': (entry) => entry,
      'null.tgz': (entry) => ({ ...entry, images: null }),
      'size.tgz': (entry) => ({ ...entry, size: Number(entry.size) + 1 }),
      'older.tgz': (entry) => ({ ...entry, modTime: '2026-01-01T00:00:00Z' }),
      'absent.tgz': () => undefined,
    };
    await using node = await ImagesNode.start({}, async (directory) => {
      for (const name of Object.keys(entries))
        await writeFile(`${directory}/${name}`, gzipSync(smallArchive(`${name.slice(0, -4)}:1`)));
      await writeFile(`${directory}/.cache.json`, '');
    });
    for (const name of Object.keys(entries)) await node.ready(name);
    await node.stop();
    await rm(join(node.dataDir, 'images-dir.json'));
    const cache = await cacheOf(node);
    const left = Object.entries(entries).map(([name, change]) => [
      node.path(name),
      change(cache[node.path(name)]),
    ]);
    await writeFile(node.path('.cache.json'), JSON.stringify(Object.fromEntries(left)));
    await node.begin();

    for (const name of Object.keys(entries)) await node.ready(name);
    const read = Object.keys(entries).filter((name) => name !== 'same.tgz');
    expect(node.messages('Importing images from').toSorted()).toEqual(
      read.map((name) => `Importing images from ${node.path(name)}`).toSorted(),
    );
    await becomes(
      () => cacheOf(node),
      (now) => Object.keys(entries).every((name) => now[node.path(name)]?.images?.length === 1),
    );
  });
});
