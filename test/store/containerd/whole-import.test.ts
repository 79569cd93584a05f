import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { chainIds } from '../../../src/image/chain-id.ts';
import type { Descriptor } from '../../../src/image/descriptor.ts';
import type { Digest } from '../../../src/image/digest.ts';
import { parseConfig, parseManifest } from '../../../src/image/documents.ts';
import { cri } from '../../../src/store/containerd/api/cri.ts';
import { Connection } from '../../../src/store/containerd/grpc/connection.ts';
import type { Lease, Store } from '../../../src/store/store.ts';
import { chunksOf, imageOf } from '../../support/blobs.ts';
import { type ContainerdDaemon, startContainerd } from '../../support/containerd/daemon.ts';
import { busyboxOciArchive } from '../../support/images.ts';
import { describeContainerd } from '../../support/require-containerd.ts';
import { openStore, putImage } from './opened-store.ts';

const kubernetes = 'k8s.io';

describeContainerd('an image for the kubelet', (generation) => {
  let daemon: ContainerdDaemon;
  let store: Store;
  let seen: Connection;
  beforeAll(async () => {
    daemon = await startContainerd(generation, { discardUnpackedLayers: true });
    store = await openStore(daemon, { namespace: kubernetes });
    seen = new Connection(daemon.socket, kubernetes);
  });
  afterAll(async () => {
    seen?.[Symbol.dispose]();
    await store?.[Symbol.asyncDispose]();
    await daemon?.stop();
  });

  const imageSeen = async (name: string) =>
    (await seen.unary(cri.imageStatus, { image: { image: name } })).image;

  it('runs as a container', async () => {
    const name = 'docker.io/library/busybox-test:1';
    const archive = await busyboxOciArchive(daemon.root, { tag: name });
    const layout = mkdtempSync(join(daemon.root, 'layout-'));
    execFileSync('tar', ['-xf', archive, '-C', layout]);
    const lease = await store.openLease({ owner: 'busybox' });
    const target = await importLayout(lease, layout);
    await lease.nameImage({ name, target, pin: true });
    const warnings = await store.confirmImage({ name, target, pin: true, runnable: true });
    await lease.release();
    // Only 1.6 does not know pins
    expect(warnings).toHaveLength(generation.name === '1.6' ? 1 : 0);
    expect(await daemon.runContainer(kubernetes, name, ['/bin/busybox', 'echo', 'it runs'])).toBe(
      'it runs\n',
    );
    expect(await daemon.leases(kubernetes)).toEqual([]);
    expect(await daemon.ingests(kubernetes)).toEqual([]);
  });

  it('is good although its unpacked layers were discarded', async () => {
    const [name, image] = ['registry.test/discarded:1', imageOf(['discarded below', 'discarded above'])];
    const first = await store.openLease({ owner: 'discard' });
    await putImage(first, image);
    await first.nameImage({ name, target: image.target });
    await first.release();
    for (const { descriptor } of image.layers)
      await daemon.ctr(['-n', kubernetes, 'content', 'rm', descriptor.digest]);

    const again = await store.openLease({ owner: 'discard' });
    const chain = image.layers.map(({ chainId }) => chainId);
    const claim = { blobs: image.blobs.map(({ descriptor }) => descriptor), chainIds: chain };
    const { whole, unpacked } = await again.claim(claim);
    expect(whole).toEqual(new Set([image.target.digest, image.config.descriptor.digest]));
    expect(unpacked).toEqual(new Set(chain));
    await again.retain(image.target, {
      config: image.config.descriptor,
      layers: image.layers.map(({ descriptor }) => descriptor),
    });
    for (const layer of image.layers) await again.unpacker?.unpackLayer(layer);
    await again.nameImage({ name, target: image.target });
    expect(await store.confirmImage({ name, target: image.target, runnable: true })).toEqual([]);
    await again.release();
  });

  it('is seen under its moved name, and not at all when its names are removed', async () => {
    const [name, before, after] = ['registry.test/moved:1', imageOf(['before']), imageOf(['after'])];
    for (const image of [before, after]) {
      const lease = await store.openLease({ owner: 'moved' });
      await putImage(lease, image);
      await lease.nameImage({ name, target: image.target });
      await store.confirmImage({ name, target: image.target, runnable: true });
      await lease.release();
    }
    expect((await imageSeen(name))?.id).toBe(after.config.descriptor.digest);
    expect(await store.removeImage(name)).toBe(true);
    for (const image of [before, after])
      expect(await store.removeImage(`registry.test/moved@${image.target.digest}`)).toBe(true);

    for (const image of [before, after]) {
      const id = image.config.descriptor.digest;
      await expect.poll(() => imageSeen(id), { timeout: 5000 }).toBeUndefined();
    }
    const digests = [...before.blobs, ...after.blobs].map(({ descriptor }) => descriptor.digest);
    expect((await store.sizesOf(digests)).size).toBe(0);
    const left = (await store.listImages()).map((image) => image.target.digest);
    expect(left).not.toContain(after.target.digest);
    expect(left).not.toContain(before.target.digest);
  });

  it('keeps what another label says when it is imported again', async () => {
    const [name, image] = ['registry.test/labelled:1', imageOf(['labelled'])];
    const lease = await store.openLease({ owner: 'labelled' });
    await putImage(lease, image);
    await lease.nameImage({ name, target: image.target });
    await store.confirmImage({ name, target: image.target, runnable: true });
    await daemon.ctr(['-n', kubernetes, 'images', 'label', name, 'team=blue']);
    await lease.nameImage({ name, target: image.target, pin: true });
    expect((await store.getImage(name))?.labels).toMatchObject({
      team: 'blue',
      'io.cri-containerd.image': 'managed',
      'io.cri-containerd.pinned': 'pinned',
    });
    await lease.release();
  });

  it('is not confirmed when a layer is neither there nor unpacked', async () => {
    const [name, image] = ['registry.test/incomplete:1', imageOf(['incomplete'])];
    const lease = await store.openLease({ owner: 'incomplete' });
    const [config, manifest] = [image.config, image.manifest];
    for (const { descriptor, bytes } of [config, manifest]) await lease.write(descriptor, 0, chunksOf(bytes));
    await lease.nameImage({ name, target: image.target });
    await expect(store.confirmImage({ name, target: image.target, runnable: true })).rejects.toMatchObject({
      code: 'image_unverified',
      context: { image: name },
    });
    await lease.release();
  });

  it('goes to the snapshotter that the CRI uses', async () => {
    const info = await store.info();
    expect(info).toMatchObject({ kind: 'containerd', cri: true, snapshotter: daemon.snapshotter });
    expect(info.version).toMatch(/^\d+\.\d+\.\d+$/);
    expect(info.freeBytes).toBeGreaterThan(0);
    expect(info.platforms[0]?.os).toBe('linux');
  });
});

/** Everything that an importer does before the name, with a layout of one image. */
async function importLayout(lease: Lease, layout: string): Promise<Descriptor> {
  const read = ({ digest }: { readonly digest: Digest }) =>
    readFileSync(join(layout, 'blobs', digest.replace(':', '/')));
  const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'));
  const { mediaType, digest, size } = index.manifests[0] as Descriptor;
  const target = { mediaType, digest, size };
  const { config, layers } = parseManifest(read(target));
  const { diffIds } = parseConfig(read(config));
  const chain = chainIds(diffIds);
  await lease.claim({ blobs: [target, config, ...layers], chainIds: chain });
  for (const blob of [...layers, config, target]) await lease.write(blob, 0, chunksOf(read(blob)));
  await lease.retain(target, { config, layers });
  for (const [i, descriptor] of layers.entries())
    await lease.unpacker?.unpackLayer({
      descriptor,
      diffId: diffIds[i] as Digest,
      chainId: chain[i] as Digest,
      parent: chain[i - 1],
    });
  await lease.unpacker?.retainSnapshot(config, chain.at(-1) as Digest);
  return target;
}
