import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, open, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { smallArchive } from '../archives.ts';
import { ImagesNode } from './images-node.ts';

const run = promisify(execFile);

describe('whether a file is open for writing', () => {
  it('is seen of other processes, and whoever only reads it holds nothing up', async () => {
    await using node = await ImagesNode.start();
    const path = node.path('app.part');
    await writeFile(path, smallArchive());
    await using _reader = await open(path, 'r');
    const writer = execFile('sh', ['-c', 'exec 3>>"$1"; echo open; read line', 'sh', path]);
    await new Promise((resolve) => writer.stdout?.once('data', resolve));
    await rename(path, node.path('app.tar'));
    await sleep(300);
    expect(await node.file('app.tar', () => true)).toMatchObject({ state: 'arriving' });
    writer.stdin?.end('\n');

    await node.ready('app.tar');
  });

  it.skipIf(process.getuid?.() !== 0)('is not taken from a file of another file system', async () => {
    const root = await mkdtemp(join(tmpdir(), 'imgctl-two-disks-'));
    const disks = ['one', 'two'].map((name) => join(root, name));
    for (const disk of disks) {
      await mkdir(disk);
      await run('mount', ['-t', 'tmpfs', 'tmpfs', disk]);
    }
    try {
      const [log, archive] = disks.map((disk) => join(disk, 'app.tar')) as [string, string];
      await using _writer = await open(log, 'w');
      await writeFile(archive, smallArchive());
      expect((await stat(log)).ino).toBe((await stat(archive)).ino);
      await using node = await ImagesNode.start();
      await node.restart({ imagesDir: disks[1] });

      await node.fileAt(archive, ({ state }) => state === 'ready');
    } finally {
      for (const disk of disks) await run('umount', ['--lazy', disk]);
      await rm(root, { recursive: true });
    }
  });
});
