import { execFile } from 'node:child_process';
import { mkdir, open, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { becomes } from '../../support/becomes.ts';
import { smallArchive } from '../archives.ts';
import { ImagesNode, tagsIn } from './images-node.ts';

const run = promisify(execFile);
const isRoot = process.getuid?.() === 0;

describe('what stands in an images directory', () => {
  it('and is no file holds nothing up: a pipe, a socket, a device, links that lead nowhere or in circles', async () => {
    await using node = await ImagesNode.start({}, async (directory) => {
      await run('mkfifo', [`${directory}/pipe.tar`, `${directory}/pipe.txt`]);
      await symlink('nowhere', `${directory}/dangling.tar`);
      await symlink('circle.tar', `${directory}/circle.tar`);
      await symlink('.', `${directory}/around`);
      await mkdir(`${directory}/directory.tar`);
      await symlink('/dev/zero', `${directory}/zero.tar`);
      if (isRoot) await run('mknod', [`${directory}/device.tar`, 'c', '1', '5']);
    });
    const socket = createServer().listen(node.path('socket.tar'));
    await writeFile(node.path('directory.tar/app.tar'), smallArchive());

    await node.ready('directory.tar/app.tar');
    expect((await node.client.imagesDirectory()).files).toHaveLength(1);
    socket.close();
  });

  it('may be a link to a file elsewhere', async () => {
    await using node = await ImagesNode.start({}, async (directory) => {
      await writeFile(join(directory, '..', 'elsewhere.tar'), smallArchive());
      await symlink('../elsewhere.tar', `${directory}/app.tar`);
    });

    await node.ready('app.tar');
    expect(await tagsIn(node.store)).toEqual(['docker.io/library/app:1']);
  });

  it('may have a name that is no UTF-8, also a directory, and forges no line of the log', async () => {
    const bytes = (directory: string, ...name: number[]) =>
      Buffer.concat([Buffer.from(`${directory}/`), Buffer.from(name), Buffer.from('.tar')]);
    const forged = 'x\n{"level":30,"msg":"agent ready"}\u001b[2J\u009b2J.tar';
    await using node = await ImagesNode.start({}, async (directory) => {
      await writeFile(bytes(directory, 0xe4, 0x31), smallArchive('app:1'));
      await mkdir(bytes(directory, 0xff));
      await writeFile(Buffer.concat([bytes(directory, 0xff), Buffer.from('/in.tar')]), smallArchive('app:2'));
      await writeFile(`${directory}/${forged}`, smallArchive('app:3'));
    });

    expect(await node.ready('\\xe41.tar')).toMatchObject({ images: [{ name: 'docker.io/library/app:1' }] });
    await node.ready('\\xff.tar/in.tar');
    await node.ready(forged);
    await node.restart();
    await node.ready('\\xe41.tar');
    expect(node.messages('Importing images')).toEqual([]);
    const logged = node.agent.log.join('');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(logged.trimEnd()).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  });

  it('is seen again after the directory was deleted and made anew', async () => {
    await using node = await ImagesNode.start({}, (directory) =>
      writeFile(`${directory}/old.tar`, smallArchive('app:1')),
    );
    await node.ready('old.tar');
    await rm(node.directory, { recursive: true });
    await becomes(
      () => node.client.imagesDirectory(),
      ({ error }) => error !== undefined,
    );
    await mkdir(node.directory);
    await writeFile(node.path('new.tar'), smallArchive('app:2'));

    await node.ready('new.tar');
    await writeFile(node.path('newer.tar'), smallArchive('app:3'));
    await node.ready('newer.tar');
  });

  it.skipIf(!isRoot)(
    'is seen where another file system is mounted over it, read-only, and needs no .cache.json',
    async () => {
      await using node = await ImagesNode.start({}, (directory) =>
        writeFile(`${directory}/below.tar`, smallArchive('app:1')),
      );
      await node.ready('below.tar');
      await run('mount', ['-t', 'tmpfs', 'tmpfs', node.directory]);
      try {
        await writeFile(node.path('above.tar'), smallArchive('app:2'));
        await writeFile(node.path('.cache.json'), '');
        await run('mount', ['-o', 'remount,ro', node.directory]);
        await node.ready('above.tar');
        await node.restart();
        await node.ready('above.tar');
        expect(node.messages('Importing images')).toEqual([]);
        expect(await readFile(node.path('.cache.json'), 'utf8')).toBe('');
      } finally {
        await run('umount', ['--lazy', node.directory]);
      }
      await node.ready('below.tar');
    },
  );

  it('may be renamed over and over while it is read', async () => {
    await using node = await ImagesNode.start();
    for (let i = 0; i < 100; i += 1) {
      await writeFile(node.path(`.app.tar.${i}`), smallArchive(`app:${i % 7}`));
      await rename(node.path(`.app.tar.${i}`), node.path('app.tar'));
      if (i % 10 === 0) await rename(node.path('app.tar'), node.path('b.tar'));
    }

    await node.file(
      'app.tar',
      ({ state, images }) => state === 'ready' && images[0]?.name.endsWith('app:1') === true,
    );
  });

  it('is read when its writer has ended, however slowly it writes', async () => {
    await using node = await ImagesNode.start();
    const archive = smallArchive();
    {
      await using file = await open(node.path('app.tar'), 'w');
      for (let at = 0; at < archive.byteLength; at += 1000) {
        await file.write(archive.subarray(at, at + 1000));
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
    }

    await node.ready('app.tar');
    expect(node.messages('Importing images from')).toHaveLength(1);
  });
});

describe('.cache.json', () => {
  it.each([
    ['of another version', '{"version":9,"files":[{"a":1}],"/x/y.tar":{"size":"1"},"__proto__":{"size":1}}'],
    ['that is no JSON', '\0\0\0'],
    ['that is a list', '[1,2]'],
  ])('%s is no obstacle', async (_, text) => {
    await using node = await ImagesNode.start({}, async (directory) => {
      await writeFile(`${directory}/.cache.json`, text);
      await writeFile(`${directory}/app.tar`, smallArchive());
    });

    await node.ready('app.tar');
    await becomes(
      () => readFile(node.path('.cache.json'), 'utf8'),
      (now) => now.includes(`"${node.path('app.tar')}":{"size":`),
    );
  });

  it('that knows of a hundred thousand files that are gone is put right in one go', async () => {
    await using node = await ImagesNode.start({}, async (directory) => {
      const gone = Array.from({ length: 100_000 }, (_, i) => [
        `${directory}/gone-${i}.tar`,
        { size: i, modTime: '2026-01-01T00:00:00Z', images: ['a:1'] },
      ]);
      await writeFile(`${directory}/.cache.json`, JSON.stringify(Object.fromEntries(gone)));
      await writeFile(`${directory}/app.tar`, smallArchive());
    });

    await node.ready('app.tar');
    await becomes(
      async () => Object.keys(JSON.parse(await readFile(node.path('.cache.json'), 'utf8'))).length,
      (count) => count === 1,
    );
  });
});
