import { renameSync } from 'node:fs';
import {
  appendFile,
  chmod,
  copyFile,
  mkdir,
  open,
  rename,
  rm,
  stat,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { zstdCompressSync } from 'node:zlib';
import { describe, expect, it, vi } from 'vitest';
import { DirectoryEvents } from '../../../src/agent/images-dir/directory-events.ts';
import { createMemoryStore } from '../../../src/store/memory/memory-store.ts';
import { becomes } from '../../support/becomes.ts';
import { imageOf } from '../../support/blobs.ts';
import { ociArchive, smallArchive } from '../archives.ts';
import { ImagesNode, tagsIn } from './images-node.ts';

const amd64 = { os: 'linux', architecture: 'amd64' };

describe('a file of the images directory that', () => {
  it('is written slowly is read once, when its writer has closed it', async () => {
    await using node = await ImagesNode.start();
    const archive = smallArchive();
    {
      await using file = await open(node.path('app.tar'), 'w');
      await file.write(archive.subarray(0, 3000));
      // Longer than it takes to settle, several times over
      await sleep(500);
      expect(await node.file('app.tar', () => true)).toMatchObject({ state: 'arriving' });
      await file.write(archive.subarray(3000));
    }

    await node.ready('app.tar');
    expect(node.messages('Importing images from')).toHaveLength(1);
  });

  it('is opened anew for each piece of it is read once, when its size and time stand still', async () => {
    await using node = await ImagesNode.start({ limits: { settleMs: 600 } });
    const archive = smallArchive();
    for (let at = 0; at < archive.byteLength; at += 1000) {
      await appendFile(node.path('app.tar'), archive.subarray(at, at + 1000));
      await sleep(100);
    }

    await node.ready('app.tar');
    expect(node.messages('Importing images from')).toHaveLength(1);
  });

  it('is renamed into place is read at once', async () => {
    // Far longer than the test may take
    await using node = await ImagesNode.start(
      { limits: { settleMs: 1_000, scanMs: 600_000 } },
      async (directory) => {
        await writeFile(`${directory}/app.tar.part`, smallArchive());
        await utimes(`${directory}/app.tar.part`, 1_700_000_000, 1_700_000_000);
      },
    );
    await rename(node.path('app.tar.part'), node.path('app.tar'));

    await node.ready('app.tar');
  });

  it('comes between the look at its directory and the watch upon it is read at once', async () => {
    let root = '';
    const { follow } = DirectoryEvents.prototype;
    using spy = vi.spyOn(DirectoryEvents.prototype, 'follow').mockImplementationOnce(function (
      this: DirectoryEvents,
      directories,
    ) {
      renameSync(`${root}/app.tar.part`, `${root}/app.tar`);
      return follow.call(this, directories);
    });
    await using node = await ImagesNode.start({ limits: { scanMs: 600_000 } }, async (directory) => {
      root = directory;
      await writeFile(`${directory}/app.tar.part`, smallArchive());
    });

    await node.ready('app.tar');
    expect(spy).toHaveBeenCalled();
  });

  it('has changed is read again', async () => {
    await using node = await ImagesNode.start({}, (directory) =>
      writeFile(`${directory}/app.tar`, smallArchive('app:1')),
    );
    await node.ready('app.tar');
    await writeFile(node.path('app.tar'), smallArchive('another:22'));

    await node.file('app.tar', ({ images }) => images.some(({ name }) => name.endsWith('another:22')));
    await node.ready('app.tar');
    expect(await tagsIn(node.store)).toEqual(['docker.io/library/another:22', 'docker.io/library/app:1']);
  });

  it('is replaced by one of the same size and time is read again, also if that happened while the agent was down', async () => {
    await using node = await ImagesNode.start({}, async (directory) => {
      await writeFile(`${directory}/app.tar`, smallArchive('app:1'));
      await utimes(`${directory}/app.tar`, 1_700_000_000, 1_700_000_000);
    });
    await node.ready('app.tar');
    const replace = async (name: string) => {
      await writeFile(node.path('new'), smallArchive(name));
      await utimes(node.path('new'), 1_700_000_000, 1_700_000_000);
      expect((await stat(node.path('new'))).size).toBe((await stat(node.path('app.tar'))).size);
      await rename(node.path('new'), node.path('app.tar'));
    };
    await replace('app:2');
    await node.file('app.tar', ({ images }) => images.some(({ name }) => name.endsWith('app:2')));

    await node.ready('app.tar');
    await node.stop();
    await replace('app:3');
    await node.begin();
    await node.ready('app.tar');
    expect(await tagsIn(node.store)).toEqual([1, 2, 3].map((n) => `docker.io/library/app:${n}`));
  });

  it('is deleted leaves its images, pinned', async () => {
    await using node = await ImagesNode.start({}, (directory) =>
      writeFile(`${directory}/app.tar`, smallArchive()),
    );
    await node.ready('app.tar');
    await rm(node.path('app.tar'));
    await becomes(
      () => node.client.imagesDirectory(),
      ({ files }) => files.length === 0,
    );

    expect(await node.client.images()).toMatchObject([{ name: 'docker.io/library/app:1', pinned: true }]);
  });

  it('is cut short while it is read names nothing, and is read again when it is whole', async () => {
    const archive = ociArchive(imageOf([Buffer.alloc(3_000_000, 1), Buffer.alloc(3_000_000, 2)]), 'app:1');
    let cut: (() => Promise<void>) | undefined;
    const faults = {
      write: async () => {
        await cut?.();
        cut = undefined;
      },
    };
    const store = createMemoryStore({ platforms: [amd64], faults });
    await using node = await ImagesNode.start({ open: () => store });
    cut = () => truncate(node.path('app.tar'), 1_000_000);
    await writeFile(node.path('app.tar'), archive);

    const file = await node.failed('app.tar');
    expect(file.error?.code).toBe('archive_truncated');
    expect(await store.listImages()).toEqual([]);
    await writeFile(node.path('app.tar'), archive);
    await node.ready('app.tar');
  });

  it('is cut short from the beginning is told of, and no other is held up by it', async () => {
    await using node = await ImagesNode.start({}, async (directory) => {
      await writeFile(`${directory}/bad.tar`, smallArchive('app:1').subarray(0, 2000));
      await writeFile(`${directory}/good.tar`, smallArchive('app:2'));
    });
    const bad = await node.failed('bad.tar');
    await node.ready('good.tar');

    expect(bad.error).toMatchObject({ code: 'archive_truncated', hint: expect.any(String) });
    const [line = ''] = node.agent.log.filter((text) => text.includes('were not all imported'));
    expect(JSON.parse(line)).toMatchObject({ code: 'archive_truncated', file: node.path('bad.tar') });
  });

  it.each(['plain', 'packed'])(
    'holds a layer that is not what its digest says is told of: %s',
    async (form) => {
      const image = imageOf(['bottom', 'top']);
      const archive = ociArchive(image, 'app:1');
      const at = archive.indexOf(image.layers[1]?.bytes ?? 'none');
      archive[at] = (archive[at] ?? 0) ^ 1;
      await using node = await ImagesNode.start({}, (directory) =>
        writeFile(`${directory}/app.tar`, form === 'plain' ? archive : zstdCompressSync(archive)),
      );

      const file = await node.file('app.tar', ({ state }) => state === 'failed');
      const told = [file.error, ...file.images.map(({ error }) => error)];
      expect(told.map((error) => error?.code)).toContain('digest_mismatch');
      expect(await tagsIn(node.store)).toEqual([]);
    },
  );

  it('does not fit into the store is tried again, and comes when there is room', async () => {
    let full = true;
    const faults = {
      write: () => {
        if (full) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
      },
    };
    const store = createMemoryStore({ platforms: [amd64], faults });
    await using node = await ImagesNode.start({ open: () => store }, (directory) =>
      writeFile(`${directory}/app.tar`, smallArchive()),
    );
    await node.failed('app.tar');
    expect(await store.listImages()).toEqual([]);
    full = false;

    await node.ready('app.tar');
  });

  it('may not be read is told of, and comes when it may', async () => {
    const root = process.getuid?.() === 0;
    const store = createMemoryStore({ platforms: [amd64] });
    await using node = await ImagesNode.start({ open: () => store });
    await chmod(dirname(node.directory), 0o755);
    try {
      // Not root, who may read everything; the file is younger than it takes to be whole
      await writeFile(node.path('app.tar'), smallArchive(), { mode: 0 });
      if (root) process.seteuid?.(65534);
      const { error } = await node.failed('app.tar');
      expect(error).toMatchObject({ code: 'archive_unreadable', hint: 'Check who may read the file.' });
    } finally {
      if (root) process.seteuid?.(0);
    }
    await chmod(node.path('app.tar'), 0o644);

    await node.ready('app.tar');
  });

  it('is copied over another while that one is read is read in its turn', async () => {
    const first = ociArchive(imageOf([Buffer.alloc(2_000_000, 1)]), 'app:1');
    let replace: (() => Promise<void>) | undefined;
    const faults = {
      write: async () => {
        await replace?.();
        replace = undefined;
      },
    };
    const store = createMemoryStore({ platforms: [amd64], faults });
    await using node = await ImagesNode.start({ open: () => store });
    replace = async () => {
      await writeFile(node.path('app.new'), smallArchive('app:2'));
      await rename(node.path('app.new'), node.path('app.tar'));
    };
    await writeFile(node.path('app.old'), first);
    await copyFile(node.path('app.old'), node.path('app.tar'));

    await node.file(
      'app.tar',
      ({ state, images }) => state === 'ready' && images[0]?.name.endsWith('app:2') === true,
    );
  });
});

describe('an images directory', () => {
  it('that is not there yet is waited for', async () => {
    await using node = await ImagesNode.start({}, (directory) => rm(directory, { recursive: true }));
    const { error } = await becomes(
      () => node.client.imagesDirectory(),
      (status) => status.error !== undefined,
    );
    expect(error?.message).toMatch(/does not exist/);
    await mkdir(node.directory);
    await writeFile(node.path('app.tar'), smallArchive());

    await node.ready('app.tar');
    expect(await node.client.imagesDirectory()).not.toHaveProperty('error');
  });
});

describe('with --images-dir-prune', () => {
  const prune = { settings: { imagesDirPrune: true } };
  const pins = async (node: ImagesNode) =>
    Object.fromEntries(
      (await node.client.images()).map(({ name, pinned }) => [name.split('/').at(-1), pinned]),
    );

  it('images of a deleted file stay, unpinned, but for those that another file gives too', async () => {
    await using node = await ImagesNode.start(prune, async (directory) => {
      await writeFile(`${directory}/one.tar`, smallArchive('app:1'));
      await writeFile(`${directory}/two.tar`, smallArchive('app:1'));
      await writeFile(`${directory}/three.tar`, smallArchive('app:3'));
    });
    for (const name of ['one.tar', 'two.tar', 'three.tar']) await node.ready(name);
    await rm(node.path('one.tar'));
    await rm(node.path('three.tar'));

    await becomes(
      () => pins(node),
      (now) => now['app:3'] === false,
    );
    expect(await pins(node)).toEqual({ 'app:1': true, 'app:3': false });
    const stored = await node.store.listImages();
    expect(stored.filter(({ labels }) => 'io.cattle.k3s.pinned' in labels)).toHaveLength(2);
    await rm(node.path('two.tar'));
    await becomes(
      () => pins(node),
      (now) => now['app:1'] === false,
    );
  });

  it('that holds for what was deleted while the agent was down, and for what a new file does not give any more', async () => {
    await using node = await ImagesNode.start(prune, async (directory) => {
      await writeFile(`${directory}/gone.tar`, smallArchive('app:1'));
      await writeFile(`${directory}/new.tar`, smallArchive('app:2'));
    });
    for (const name of ['gone.tar', 'new.tar']) await node.ready(name);
    await node.stop();
    await rm(node.path('gone.tar'));
    await writeFile(node.path('new.tar'), smallArchive('app:3'));
    await node.begin();

    await becomes(
      () => pins(node),
      (now) => now['app:3'] === true && now['app:1'] === false && now['app:2'] === false,
    );
  });

  it('what somebody else pinned stays pinned', async () => {
    await using node = await ImagesNode.start(prune, (directory) =>
      writeFile(`${directory}/app.tar`, smallArchive('app:1')),
    );
    await node.ready('app.tar');
    const image = await node.store.getImage('docker.io/library/app:1');
    if (image === undefined) throw new Error('it was not imported');
    await node.store.tagImage({
      name: image.name,
      target: image.target,
      labels: { 'io.cattle.k3s.pinned': undefined },
    });
    await rm(node.path('app.tar'));
    await becomes(
      () => node.messages('images unpinned'),
      ({ length }) => length > 0,
    );

    expect(await pins(node)).toEqual({ 'app:1': true });
  });
});
