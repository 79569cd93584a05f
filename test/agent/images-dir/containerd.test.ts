import { readFile, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { openContainerdStore } from '../../../src/store/containerd/containerd-store.ts';
import { imageOf } from '../../support/blobs.ts';
import { startContainerd } from '../../support/containerd/daemon.ts';
import { everyLeaseEnds, withContainerd } from '../../support/containerd/with-containerd.ts';
import { busyboxDockerArchive, busyboxOciArchive } from '../../support/images.ts';
import { hasRegistry, startRegistry as startDockerRegistry } from '../../support/registry/docker-registry.ts';
import { describeContainerd } from '../../support/require-containerd.ts';
import { runHere } from '../../support/run-here.ts';
import { ociArchive } from '../archives.ts';
import { ImagesNode } from './images-node.ts';
import { startRegistry } from './small-registry.ts';

describeContainerd('an images directory in front of containerd', (generation) => {
  const here = withContainerd(generation);

  const open = () => openContainerdStore({ address: here.daemon.socket, namespace: 'k8s.io' });
  /** What ctr lists, the lines that speak of this. */
  const listed = async (what: 'images' | 'content', of: string) => {
    const { stdout } = await here.daemon.ctr(['-n', 'k8s.io', what, 'ls']);
    return stdout.split('\n').filter((line) => line.startsWith(of));
  };

  it('brings images that run, pinned and labelled, and again after they were removed', async () => {
    const plain = await readFile(
      await busyboxOciArchive(here.directory, { tag: 'docker.io/library/plain:1' }),
    );
    const packed = await readFile(
      await busyboxDockerArchive(here.directory, { tag: 'docker.io/library/packed:1' }),
    );
    await using node = await ImagesNode.start({ open }, async (directory) => {
      await writeFile(`${directory}/plain.tar`, plain);
      await writeFile(`${directory}/packed.tgz`, gzipSync(packed));
    });
    for (const name of ['plain.tar', 'packed.tgz']) await node.ready(name);

    for (const name of ['plain', 'packed']) {
      const image = `docker.io/library/${name}:1`;
      expect(await here.daemon.runContainer('k8s.io', image, ['/bin/echo', 'ok'])).toBe('ok\n');
      const names = await listed('images', `docker.io/library/${name}`);
      expect(names).toHaveLength(2);
      for (const line of names) {
        expect(line).toContain('io.cattle.k3s.pinned=pinned');
        expect(line).toContain('io.cri-containerd.pinned=pinned');
      }
      const target = (await node.store.getImage(image))?.target.digest ?? '';
      expect((await listed('content', target)).join()).toContain(
        `containerd.io/distribution.source.docker.io=library/${name}`,
      );
    }

    await node.client.removeImage('packed:1');
    await node.restart();
    for (const name of ['plain.tar', 'packed.tgz']) await node.ready(name);
    expect(node.messages('Importing images from')).toEqual([
      `Importing images from ${node.path('packed.tgz')}`,
    ]);
    expect(await here.daemon.runContainer('k8s.io', 'docker.io/library/packed:1', ['/bin/echo', 'ok'])).toBe(
      'ok\n',
    );
  });

  it('has the CRI pull what a list names, and pins it', async () => {
    const image = imageOf(['pulled']);
    await using registry = await startRegistry(image, 'team/app');
    const name = `${registry.host}/team/app:1`;
    await using node = await ImagesNode.start({ open }, (directory) =>
      writeFile(`${directory}/images.txt`, `# ours\n${registry.host}/team/nothing:1\n${name}\n`),
    );

    const { images } = await node.failed('images.txt');
    expect(images).toMatchObject([
      { name: `${registry.host}/team/nothing:1`, state: 'failed', error: { code: 'pull_failed' } },
      { name, state: 'ready', digest: image.target.digest },
    ]);
    expect((await listed('images', name)).join()).toContain('io.cattle.k3s.pinned=pinned');
  });

  it.skipIf(!hasRegistry)('has the CRI pull from the mirrors that registries.yaml names', async () => {
    await using registry = await startDockerRegistry();
    const archive = await busyboxOciArchive(here.directory, { tag: 'docker.io/library/b:1' });
    await registry.pushArchive(archive, 'team/mirrored:1');
    const registries = `${here.directory}/registries.yaml`;
    const hostsDir = `${here.directory}/certs.d`;
    // No machine has this name
    const mirrors = { 'registry.invalid': { endpoint: [`http://${registry.host}`] } };
    await writeFile(registries, JSON.stringify({ mirrors }));
    const rendered = await runHere(['registries', 'render', '--registries', registries, '--to', hostsDir]);
    expect(rendered.status).toBe(0);
    const mirrored = await startContainerd(generation, { hostsDir });
    try {
      const openMirrored = () => openContainerdStore({ address: mirrored.socket, namespace: 'k8s.io' });
      const name = 'registry.invalid/team/mirrored:1';
      await using node = await ImagesNode.start({ open: openMirrored }, (directory) =>
        writeFile(`${directory}/images.txt`, `${name}\n`),
      );

      await node.ready('images.txt');
      expect(await mirrored.runContainer('k8s.io', name, ['/bin/echo', 'mirrored'])).toBe('mirrored\n');
    } finally {
      await mirrored.stop();
    }
  });

  it.skipIf(!hasRegistry)('pulls it itself where there is no CRI, as the same, so that it runs', async () => {
    const without = await startContainerd(generation, { cri: false });
    try {
      const archive = await busyboxOciArchive(here.directory, { tag: 'docker.io/library/b:1' });
      await using registry = await startDockerRegistry();
      await registry.pushArchive(archive, 'team/busybox:1');
      const name = `${registry.host}/team/busybox:1`;
      const openWithout = () => openContainerdStore({ address: without.socket, namespace: 'k8s.io' });
      await using node = await ImagesNode.start({ open: openWithout }, (directory) =>
        writeFile(`${directory}/images.txt`, `${registry.host}/team/nothing:1\n${name}\n`),
      );

      const { images } = await node.failed('images.txt');
      expect(images).toMatchObject([
        { name: `${registry.host}/team/nothing:1`, error: { code: 'image_unknown' } },
        { name, state: 'ready' },
      ]);
      expect(await without.runContainer('k8s.io', name, ['/bin/echo', 'pulled'])).toBe('pulled\n');
      const { stdout } = await without.ctr(['-n', 'k8s.io', 'images', 'ls']);
      expect(stdout.split('\n').find((line) => line.startsWith(name))).toContain(
        'io.cattle.k3s.pinned=pinned',
      );
    } finally {
      await without.stop();
    }
  });

  it('leaves no lease without an end behind, and keeps its images over a collection of garbage', async () => {
    const archive = ociArchive(imageOf(['kept']), 'docker.io/library/kept:1');
    await using node = await ImagesNode.start({ open }, (directory) =>
      writeFile(`${directory}/kept.tar`, archive),
    );
    await node.ready('kept.tar');
    await everyLeaseEnds(here.daemon, 'k8s.io');

    await here.daemon.ctr(['-n', 'k8s.io', 'content', 'prune', 'references']);
    await node.restart();
    await node.ready('kept.tar');
    expect(node.messages('Importing images from')).toEqual([]);
  });
});
