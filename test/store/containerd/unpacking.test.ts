import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { mediaTypes } from '../../../src/image/media-types.ts';
import type { Store } from '../../../src/store/store.ts';
import { blobOf, imageOf, randomBlob, type TestLayer } from '../../support/blobs.ts';
import { type ContainerdDaemon, startContainerd } from '../../support/containerd/daemon.ts';
import { describeContainerd } from '../../support/require-containerd.ts';
import { extractions, namespace, openStore, put, putImage } from './opened-store.ts';

describeContainerd('unpacking layers in containerd', (generation) => {
  let daemon: ContainerdDaemon;
  let store: Store;
  beforeAll(async () => {
    daemon = await startContainerd(generation);
    store = await openStore(daemon);
  });
  afterAll(async () => {
    await store?.[Symbol.asyncDispose]();
    await daemon?.stop();
  });

  it.each([
    ['gzip', mediaTypes.ociLayerGzip, gzipSync],
    ['zstd', mediaTypes.ociLayerZstd, zstdCompressSync],
    ['gzip, as Docker calls it', mediaTypes.dockerLayerGzip, gzipSync],
  ])('takes a layer compressed with %s', async (_, mediaType, compress) => {
    await using lease = await store.openLease({ owner: 'compressed' });
    const tar = layerOf(mediaType);
    const layer = blobOf(compress(tar.bytes), mediaType);
    await put(lease, layer);
    const diffId = tar.descriptor.digest;
    await lease.unpacker?.unpackLayer({ descriptor: layer.descriptor, diffId, chainId: diffId });
    const { unpacked } = await lease.claim({ blobs: [], chainIds: [diffId] });
    expect(unpacked).toEqual(new Set([diffId]));
    const { stdout } = await daemon.ctr(['-n', namespace, 'content', 'ls']);
    expect(stdout).toContain(`containerd.io/uncompressed=${diffId}`);
    await lease.release();
  });

  it('leaves no half-unpacked layer behind when it fails, or is broken off', async () => {
    await using lease = await store.openLease({ owner: 'broken' });
    const notTar = blobOf(Buffer.alloc(4096, 'not a tar '), mediaTypes.ociLayerGzip);
    await put(lease, notTar);
    const { descriptor } = notTar;
    await expect(
      lease.unpacker?.unpackLayer({ descriptor, diffId: descriptor.digest, chainId: descriptor.digest }),
    ).rejects.toMatchObject({ code: 'unpack_failed', context: { digest: descriptor.digest } });

    const large = layerOf(randomBlob(60_000_000).bytes);
    await put(lease, large);
    const unpacking = lease.unpacker?.unpackLayer(large, AbortSignal.timeout(30));
    await expect(unpacking).rejects.toThrow();
    expect(await extractions(daemon)).toEqual([]);
    await lease.release();
  });

  it('lets several unpack the same image at once', async () => {
    const image = imageOf(Array.from({ length: 4 }, (_, i) => `shared ${i}`));
    await using another = await openStore(daemon);
    const leases = await Promise.all(
      [store, store, another].map((one) => one.openLease({ owner: 'together' })),
    );
    await Promise.all(leases.map((lease) => putImage(lease, image)));
    expect(await extractions(daemon)).toEqual([]);
    for (const lease of leases) await lease.release();
  });

  it('names what is missing when the layer below was not unpacked', async () => {
    await using lease = await store.openLease({ owner: 'order' });
    const image = imageOf(['below', 'above']);
    await put(lease, ...image.blobs);
    const top = image.layers.at(-1);
    if (top === undefined) return;
    await expect(lease.unpacker?.unpackLayer(top)).rejects.toMatchObject({
      code: 'unpack_failed',
      message: expect.stringContaining('the layer below it'),
    });
    await lease.release();
  });
});

/** An uncompressed layer with one file. */
function layerOf(content: string | Uint8Array): TestLayer {
  const [layer] = imageOf([content]).layers;
  if (layer === undefined) throw new Error('an image of one content has one layer');
  return layer;
}
