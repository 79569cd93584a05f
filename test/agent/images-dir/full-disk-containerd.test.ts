import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { openContainerdStore } from '../../../src/store/containerd/containerd-store.ts';
import { imageOf, seededBytes } from '../../support/blobs.ts';
import { startContainerd } from '../../support/containerd/daemon.ts';
import { everyLeaseEnds } from '../../support/containerd/with-containerd.ts';
import { describeContainerd } from '../../support/require-containerd.ts';
import { ociArchive } from '../archives.ts';
import { ImagesNode } from './images-node.ts';

const run = promisify(execFile);

describeContainerd('a containerd whose disk is full', (generation) => {
  it('is told of, keeps nothing of what did not fit, and has it as soon as there is room', async () => {
    const disk = await mkdtemp(join(tmpdir(), 'imgctl-full-'));
    await run('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', disk]);
    await using stack = new AsyncDisposableStack();
    stack.defer(async () => {
      await run('umount', ['--lazy', disk]);
      await rm(disk, { recursive: true });
    });
    const daemon = await startContainerd(generation, { root: join(disk, 'c'), cri: false });
    stack.defer(() => daemon.stop());
    const open = () => openContainerdStore({ address: daemon.socket, namespace: 'k8s.io' });
    const archive = (name: string) => ociArchive(imageOf([seededBytes(name, 4_000_000)]), name);
    const { stdout } = await run('df', ['--output=avail', '-B1', disk]);
    // There is room for what containerd itself writes down
    await writeFile(join(disk, 'in-the-way'), Buffer.alloc(Number(stdout.split('\n')[1]) - 2_000_000));
    await using node = await ImagesNode.start({ open }, async (directory) => {
      await writeFile(`${directory}/plain.tar`, archive('plain:1'));
      await writeFile(`${directory}/packed.tgz`, gzipSync(archive('packed:1'), { level: 1 }));
    });

    for (const name of ['plain.tar', 'packed.tgz']) {
      const { error, images } = await node.failed(name);
      const codes = [error, ...images.map((image) => image.error)].flatMap((one) => one?.code ?? []);
      expect(codes).toContain('store_full');
    }
    expect(await node.store.listImages()).toEqual([]);
    await rm(join(disk, 'in-the-way'));
    for (const name of ['plain.tar', 'packed.tgz']) await node.ready(name);
    expect((await daemon.ctr(['-n', 'k8s.io', 'images', 'ls', '-q'])).stdout).toContain('packed:1');
    expect(await daemon.ingests('k8s.io')).toEqual([]);
    await everyLeaseEnds(daemon, 'k8s.io');
  });
});
