import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { parseDigest } from '../../../src/image/digest.ts';
import { createMemoryStore } from '../../../src/store/memory/memory-store.ts';
import { brokenAfter, freshImage, importImage, owner, put } from '../../contract/store/fixture.ts';
import { storeContract } from '../../contract/store.ts';
import { chunksOf, randomBlob } from '../../support/blobs.ts';

storeContract('the memory store', async () => {
  let store = createMemoryStore();
  return {
    store,
    async reopen() {
      store = await store.restart();
      return store;
    },
    async close() {
      await store[Symbol.asyncDispose]();
    },
  };
});

it('verifies sha512 as it does sha256', async () => {
  const store = createMemoryStore();
  await using lease = await store.openLease({ owner });
  const { bytes, descriptor } = randomBlob(1000);
  const digest = parseDigest(`sha512:${createHash('sha512').update(bytes).digest('hex')}`);
  await lease.write({ ...descriptor, digest }, 0, chunksOf(bytes));
  expect(await store.sizesOf([digest])).toEqual(new Map([[digest, 1000]]));
  const wrong = parseDigest(`sha512:${'0'.repeat(128)}`);
  await expect(lease.write({ ...descriptor, digest: wrong }, 0, chunksOf(bytes))).rejects.toMatchObject({
    code: 'digest_mismatch',
  });
});

it('is full when its free bytes are used, and takes more once something went', async () => {
  const store = createMemoryStore({ freeBytes: 1000 });
  const first = await store.openLease({ owner });
  await put(first, randomBlob(600));
  expect((await store.info()).freeBytes).toBe(400);
  const big = randomBlob(500);
  await using second = await store.openLease({ owner });
  await expect(second.write(big.descriptor, 0, chunksOf(big.bytes, 300))).rejects.toMatchObject({
    code: 'store_full',
  });
  expect(store.contents().partials).toEqual(new Map([[big.descriptor.digest, 300]]));
  await first.release();
  await second.write(big.descriptor, 300, chunksOf(big.bytes.subarray(300)));
});

it('drops what a left lease holds after an hour', async () => {
  let now = 0;
  const store = createMemoryStore({ now: () => now });
  const lease = await store.openLease({ owner });
  const [whole, part] = [randomBlob(10), randomBlob(20)];
  await put(lease, whole);
  await expect(lease.write(part.descriptor, 0, brokenAfter(5, part))).rejects.toThrow();
  await lease.leave();
  now = 60 * 60 * 1000 - 1;
  expect(store.contents().blobs).toEqual([whole.descriptor.digest]);
  now += 1;
  expect(store.contents()).toEqual({ blobs: [], partials: new Map(), snapshots: [], leases: [] });
});

it('fails where a fault says so, and holds what arrived before', async () => {
  const store = createMemoryStore({
    faults: {
      write(_, offset) {
        if (offset >= 200) throw new Error('connection reset by peer');
      },
    },
  });
  await using lease = await store.openLease({ owner });
  const blob = randomBlob(500);
  await expect(lease.write(blob.descriptor, 0, chunksOf(blob.bytes, 100))).rejects.toThrow(
    'connection reset',
  );
  expect(store.contents().partials).toEqual(new Map([[blob.descriptor.digest, 200]]));
});

it('does not confirm an image of which a layer was lost', async () => {
  const store = createMemoryStore();
  const image = freshImage();
  await importImage(store, 'registry.test/app:1', image);
  const request = { name: 'registry.test/app:1', target: image.target, runnable: false };
  await store.confirmImage(request);
  const [layer] = image.layers;
  if (layer !== undefined) store.lose(layer.descriptor.digest);
  await expect(store.confirmImage(request)).rejects.toMatchObject({ code: 'image_unverified' });
});
