import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openOciLayoutStore } from '../../../src/store/oci-layout/oci-layout-store.ts';
import { imageOf, seededBytes } from '../../support/blobs.ts';
import { ociArchive } from '../archives.ts';
import { ImagesNode, tagsIn } from './images-node.ts';

const run = promisify(execFile);

describe.skipIf(process.getuid?.() !== 0)('a store whose disk is full', () => {
  it.each([
    ['app.tar', (bytes: Buffer) => bytes],
    ['app.tgz', gzipSync],
  ])('fails %s, keeps nothing of it, and takes it when there is room', async (name, write) => {
    const disk = await mkdtemp(join(tmpdir(), 'imgctl-small-disk-'));
    await run('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', disk]);
    try {
      await writeFile(join(disk, 'in-the-way'), Buffer.alloc(6_000_000));
      const open = () => openOciLayoutStore({ directory: join(disk, 'store'), namespace: 'k8s.io' });
      const archive = ociArchive(imageOf([seededBytes('large', 4_000_000)]), 'app:1');
      await using node = await ImagesNode.start({ open }, async (directory) => {
        await writeFile(`${directory}/${name}`, write(archive));
      });
      const { error, images } = await node.failed(name);
      expect([error, ...images.map((image) => image.error)].find((one) => one !== undefined)?.code).toBe(
        'store_full',
      );
      expect(await node.store.listImages()).toEqual([]);
      await rm(join(disk, 'in-the-way'));

      await node.ready(name);
      expect(await tagsIn(node.store)).toEqual(['docker.io/library/app:1']);
    } finally {
      await run('umount', ['--lazy', disk]);
      await rm(disk, { recursive: true });
    }
  });
});
