import { availableParallelism } from 'node:os';
import { describe, expect, it } from 'vitest';
import type { ImportEvent } from '../../src/agent-api/events.ts';
import type { Declaration } from '../../src/agent-api/schemas.ts';
import type { Digest } from '../../src/image/digest.ts';
import {
  createMemoryStore,
  type MemoryStore,
  type MemoryStoreOptions,
} from '../../src/store/memory/memory-store.ts';
import { BlobWriters } from '../../src/transfer/blob-writers.ts';
import { Import } from '../../src/transfer/import.ts';
import { chunksOf, imageOf, indexOf, type TestBlob, type TestImage } from '../support/blobs.ts';

const amd64 = { os: 'linux', architecture: 'amd64' };
const arm64 = { os: 'linux', architecture: 'arm64', variant: 'v8' };

function node(options: MemoryStoreOptions = {}): MemoryStore {
  return createMemoryStore({ platforms: [amd64], ...options });
}

function document({ descriptor, bytes }: TestBlob): NonNullable<Declaration['documents']>[number] {
  return { descriptor, data: Buffer.from(bytes).toString('base64') };
}

function declarationOf(image: TestImage, name = 'app:1'): Declaration {
  return {
    images: [{ name, target: image.target }],
    documents: [image.manifest, image.config].map(document),
  };
}

function open(store: MemoryStore, declaration: Declaration, writers = new BlobWriters()): Promise<Import> {
  return Import.open({ store, owner: 'node-1', writers }, declaration);
}

function put(target: Import, { descriptor: { digest, size }, bytes }: TestBlob, offset = 0) {
  return target.put({ digest, offset, size }, () => chunksOf(bytes.subarray(offset), 1000));
}

async function outcome(target: Import): Promise<ImportEvent[]> {
  return Array.fromAsync(target.events());
}

function statesOf(events: readonly ImportEvent[]): string[] {
  return events.flatMap((event) => (event.type === 'image' ? [event.state] : []));
}

describe('an import', () => {
  it('tells that all of a blob is here only once it is whole in the store', async () => {
    const store = node();
    const image = imageOf(['x'.repeat(5000)]);
    const target = await open(store, declarationOf(image));
    const whole: boolean[] = [];
    const watching = (async () => {
      for await (const event of target.events())
        if (event.type === 'blob' && event.offset === event.size)
          whole.push(store.contents().blobs.includes(event.digest));
    })();

    for (const blob of image.layers) await put(target, blob);
    await watching;

    expect(whole).toEqual([true]);
  });

  it('tells what is missing, takes it in any order, and names the image when it is whole and unpacked', async () => {
    const store = node();
    const image = imageOf(['bottom', 'middle', 'top']);
    const target = await open(store, declarationOf(image));
    expect(target.opened.missing.map(({ digest }) => digest)).toEqual(
      image.layers.map(({ descriptor }) => descriptor.digest),
    );
    const ended = outcome(target);

    for (const layer of image.layers.toReversed()) {
      expect(await store.listImages()).toEqual([]);
      await put(target, layer);
    }

    const events = await ended;
    expect(events.at(-1)).toMatchObject({
      type: 'done',
      images: [{ name: 'docker.io/library/app:1', state: 'ready' }],
    });
    expect(statesOf(events)).toEqual(['receiving', 'unpacking', 'ready']);
    expect((await store.listImages()).map(({ name }) => name).sort()).toEqual(
      ['docker.io/library/app:1', `docker.io/library/app@${image.target.digest}`].sort(),
    );
    expect(store.contents().snapshots.toSorted()).toEqual(
      image.layers.map(({ chainId }) => chainId).toSorted(),
    );
    expect(store.contents().leases).toEqual([]);
  });

  it('is content with what is sent again of images that are ready, as several senders of one blob may', async () => {
    const store = node();
    const image = imageOf(['bottom', 'top']);
    const ended = Promise.withResolvers<void>();
    let late = false;
    const openLease = store.openLease.bind(store);
    store.openLease = async (options) => {
      const lease = await openLease(options);
      const claim = lease.claim.bind(lease);
      return Object.assign(lease, {
        claim: async (...wanted: Parameters<typeof claim>) => {
          if (late) await ended.promise;
          return claim(...wanted);
        },
      });
    };
    const target = await open(store, declarationOf(image));
    const [bottom, top] = image.layers;
    if (bottom === undefined || top === undefined) throw new Error('two layers');
    await put(target, bottom);
    await put(target, top);
    // Begun before the import has ended, and asked for room in its lease after that
    late = true;
    const again = put(target, bottom);
    await outcome(target);
    ended.resolve();

    expect(await again).toEqual({ received: 0, relay: [] });
    expect(await put(target, top)).toEqual({ received: 0, relay: [] });
    expect(await target.fetch({ digest: top.descriptor.digest }, [])).toEqual({ received: 0, from: [] });
    expect(target.offsetOf(top.descriptor.digest)).toBeUndefined();
    await expect(put(target, imageOf(['another']).layers[0] ?? top)).rejects.toMatchObject({
      code: 'import_gone',
    });
  });

  it('unpacks a layer as soon as it and its parents are there, while later ones are still on their way', async () => {
    const store = node();
    const image = imageOf(['bottom', 'top']);
    const target = await open(store, declarationOf(image));
    const [bottom, top] = image.layers;
    if (bottom === undefined || top === undefined) throw new Error('two layers');
    await put(target, bottom);
    await expect.poll(() => store.contents().snapshots).toEqual([bottom.chainId]);
    await put(target, top);
    await outcome(target);
  });

  it.skipIf(availableParallelism() < 2)('unpacks several images at once', async () => {
    const bothBegun = Promise.withResolvers<void>();
    const begun = new Set<Digest>();
    const store = node({
      faults: {
        // Neither image gets on before the other has begun as well
        unpack: ({ chainId }) => {
          begun.add(chainId);
          if (begun.size === 2) bothBegun.resolve();
          return bothBegun.promise;
        },
      },
    });
    const images = [imageOf(['one']), imageOf(['two'])];
    const declarations = images.map((image, i) => declarationOf(image, `app:${i}`));
    const target = await open(store, {
      images: declarations.flatMap(({ images = [] }) => images),
      documents: declarations.flatMap(({ documents = [] }) => documents),
    });
    for (const blob of images.flatMap(({ layers }) => layers)) await put(target, blob);
    expect((await outcome(target)).at(-1)).toMatchObject({
      images: [{ state: 'ready' }, { state: 'ready' }],
    });
  });

  it('finds nothing to do when everything is there, and says so', async () => {
    const store = node();
    const image = imageOf(['a', 'b']);
    const first = await open(store, declarationOf(image));
    for (const layer of image.layers) await put(first, layer);
    await outcome(first);

    const second = await open(store, declarationOf(image));
    expect(second.opened.missing).toEqual([]);
    expect((await outcome(second)).at(-1)).toMatchObject({ images: [{ state: 'ready', unchanged: true }] });
    expect(second.opened.presentBytes).toBe(second.opened.totalBytes);
  });

  it('is not unchanged when only the name is new', async () => {
    const store = node();
    const image = imageOf(['a']);
    const first = await open(store, declarationOf(image));
    for (const layer of image.layers) await put(first, layer);
    await outcome(first);
    const second = await open(store, declarationOf(image, 'app:2'));
    expect((await outcome(second)).at(-1)).toMatchObject({
      images: [{ name: 'docker.io/library/app:2', state: 'ready' }],
    });
    expect(await store.getImage('docker.io/library/app:2')).toMatchObject({
      target: { digest: image.target.digest },
    });
  });

  it('asks for documents that were not sent, and the missing set grows as they arrive', async () => {
    const store = node();
    const image = imageOf(['a', 'b']);
    const target = await open(store, { images: [{ name: 'app:1', target: image.target }] });
    expect(target.opened.missing.map(({ digest }) => digest)).toEqual([image.target.digest]);
    await put(target, image.manifest);
    expect((await target.state()).missing.map(({ digest }) => digest)).toContain(
      image.config.descriptor.digest,
    );
    await put(target, image.config);
    expect((await target.state()).missing).toHaveLength(2);
    const ended = outcome(target);
    for (const layer of image.layers) await put(target, layer);
    expect((await ended).at(-1)).toMatchObject({ type: 'done', images: [{ state: 'ready' }] });
  });

  it('may start empty, and be told of the image after its blobs came', async () => {
    const store = node();
    const image = imageOf(['a']);
    const target = await open(store, {});
    for (const blob of image.blobs) await put(target, blob);
    const { missing } = await target.declare({ images: [{ name: 'app:1', target: image.target }] });
    expect(missing).toEqual([]);
    expect((await outcome(target)).at(-1)).toMatchObject({ images: [{ state: 'ready' }] });
  });

  it('that started empty keeps nothing of what came too early, once it turns out that no image needs it', async () => {
    const store = node();
    const [needed, stray] = [imageOf(['a']), imageOf(['b'])];
    const target = await open(store, {});
    for (const { layers } of [needed, stray]) for (const layer of layers) await put(target, layer);
    expect(target.finished).toBe(false);
    await target.declare(declarationOf(needed));
    await outcome(target);
    const digestsOf = ({ layers }: TestImage) => layers.map(({ descriptor }) => descriptor.digest);
    expect([...(await store.sizesOf([...digestsOf(needed), ...digestsOf(stray)])).keys()]).toEqual(
      digestsOf(needed),
    );
  });

  it("picks the node's platform out of an index, and leaves the others be", async () => {
    const store = node();
    const [here, there] = [imageOf(['amd'], amd64), imageOf(['arm'], arm64)];
    const index = indexOf([
      { image: there, platform: arm64 },
      { image: here, platform: amd64 },
    ]);
    const documents = [index.index, here.manifest, here.config, there.manifest, there.config].map(document);
    const target = await open(store, { images: [{ name: 'app:1', target: index.target }], documents });
    expect(target.opened.missing.map(({ digest }) => digest)).toEqual([here.layers[0]?.descriptor.digest]);
    for (const layer of here.layers) await put(target, layer);
    await outcome(target);
    expect((await store.getImage('docker.io/library/app:1'))?.target.digest).toBe(index.target.digest);
  });

  it('fails an image that has not the platform of the node, and brings the others', async () => {
    const store = node();
    const [good, bad] = [imageOf(['amd'], amd64), imageOf(['arm'], arm64)];
    const target = await open(store, {
      images: [
        { name: 'bad:1', target: bad.target },
        { name: 'good:1', target: good.target },
      ],
      documents: [good.manifest, good.config, bad.manifest, bad.config].map(document),
    });
    const ended = outcome(target);
    for (const layer of good.layers) await put(target, layer);
    expect((await ended).at(-1)).toMatchObject({
      images: [
        { name: 'docker.io/library/bad:1', state: 'failed', error: { code: 'platform_missing' } },
        { name: 'docker.io/library/good:1', state: 'ready' },
      ],
    });
    expect(await store.getImage('docker.io/library/bad:1')).toBeUndefined();
  });

  it('goes on where a transfer broke off, in another import', async () => {
    const store = node();
    const image = imageOf([Buffer.alloc(10_000, 'x')]);
    const [layer] = image.layers;
    if (layer === undefined) throw new Error('one layer');
    const { digest, size } = layer.descriptor;
    const first = await open(store, declarationOf(image));
    const broken = first.put({ digest, offset: 0, size }, async function* () {
      yield layer.bytes.subarray(0, 4000);
      throw new Error('the line went dead');
    });
    await expect(broken).rejects.toThrow('the line went dead');
    await first.leave();

    const second = await open(store, declarationOf(image));
    expect(second.opened.missing).toMatchObject([{ digest, offset: 4000 }]);
    expect(await put(second, layer, 3000)).toMatchObject({ received: size - 3000 });
    expect((await outcome(second)).at(-1)).toMatchObject({ images: [{ state: 'ready' }] });
    expect(store.contents().leases).toEqual([]);
  });

  it('begins at 0 again after bytes that did not verify', async () => {
    const image = imageOf(['a']);
    const target = await open(node(), declarationOf(image));
    const [layer] = image.layers;
    if (layer === undefined) throw new Error('one layer');
    const wrong = { ...layer, bytes: Buffer.alloc(layer.bytes.byteLength, '!') };
    await expect(put(target, wrong)).rejects.toMatchObject({ code: 'digest_mismatch' });
    expect((await target.state()).missing).toMatchObject([{ offset: 0 }]);
    await put(target, layer);
    expect((await outcome(target)).at(-1)).toMatchObject({ images: [{ state: 'ready' }] });
  });

  it('settles thousands of names of one image without looking at all of them each time', async () => {
    const store = node();
    const image = imageOf(['a']);
    const first = await open(store, declarationOf(image));
    for (const layer of image.layers) await put(first, layer);
    await outcome(first);
    const names = Array.from({ length: 3000 }, (_, i) => ({ name: `app:tag-${i}`, target: image.target }));
    const target = await open(store, { ...declarationOf(image), images: names });
    expect((await outcome(target)).at(-1)).toMatchObject({ type: 'done' });
    expect(await store.listImages()).toHaveLength(3002);
  });

  it('says where to begin when a transfer begins after what it holds', async () => {
    const image = imageOf(['a']);
    const target = await open(node(), declarationOf(image));
    const [layer] = image.layers;
    if (layer === undefined) throw new Error('one layer');
    await expect(put(target, layer, 100)).rejects.toMatchObject({
      code: 'offset_mismatch',
      context: { offset: 0 },
    });
    await target.leave();
  });

  it('shares a blob between two imports: one writes, the other reads nothing and has it', async () => {
    const store = node();
    const writers = new BlobWriters();
    const image = imageOf(['shared']);
    const [layer] = image.layers;
    if (layer === undefined) throw new Error('one layer');
    const { digest, size } = layer.descriptor;
    const [first, second] = [
      await open(store, declarationOf(image, 'one:1'), writers),
      await open(store, declarationOf(image, 'two:1'), writers),
    ];
    const gate = Promise.withResolvers<void>();
    const writing = first.put({ digest, offset: 0, size }, async function* () {
      yield layer.bytes.subarray(0, 10);
      await gate.promise;
      yield layer.bytes.subarray(10);
    });
    const waiting = second.put({ digest, offset: 0, size }, () => {
      throw new Error('must not be read');
    });
    gate.resolve();
    expect(await writing).toMatchObject({ received: size });
    expect(await waiting).toMatchObject({ received: 0 });
    expect((await outcome(first)).at(-1)).toMatchObject({ type: 'done', images: [{ state: 'ready' }] });
    expect((await outcome(second)).at(-1)).toMatchObject({ type: 'done', images: [{ state: 'ready' }] });
  });

  it('takes over a blob when the one who was writing it dies', async () => {
    const store = node();
    const writers = new BlobWriters();
    const image = imageOf([Buffer.alloc(8_000, 'y')]);
    const [layer] = image.layers;
    if (layer === undefined) throw new Error('one layer');
    const { digest, size } = layer.descriptor;
    const [first, second] = [
      await open(store, declarationOf(image, 'one:1'), writers),
      await open(store, declarationOf(image, 'two:1'), writers),
    ];
    const dying = Promise.withResolvers<void>();
    const writing = first.put({ digest, offset: 0, size }, async function* () {
      yield layer.bytes.subarray(0, 3000);
      await dying.promise;
    });
    const waiting = put(second, layer);
    dying.reject(new Error('killed'));
    await expect(writing).rejects.toThrow('killed');
    await waiting;
    expect((await outcome(second)).at(-1)).toMatchObject({ images: [{ state: 'ready' }] });
    await first.leave();
  });

  it('leaves what arrived for the next try when it is left, and nothing with discard', async () => {
    const store = node();
    const image = imageOf(['a', 'b']);
    const first = await open(store, declarationOf(image));
    if (image.layers[0] !== undefined) await put(first, image.layers[0]);
    const events = outcome(first);
    await first.leave();
    expect((await events).at(-1)).toMatchObject({ type: 'error', error: { code: 'interrupted' } });
    expect(store.contents().leases).toMatchObject([{ expiresAt: expect.any(Number) }]);
    await expect(first.declare({})).rejects.toMatchObject({ code: 'import_gone' });

    const second = await open(store, declarationOf(image));
    expect(second.opened.missing).toHaveLength(1);
    await second.leave({ discard: true });
    expect(store.contents()).toMatchObject({ blobs: [], leases: [] });
  });

  it('fails the image whose layer cannot be unpacked, without a name', async () => {
    const store = node({ faults: { unpack: () => Promise.reject(new Error('no space for the snapshot')) } });
    const image = imageOf(['a']);
    const target = await open(store, declarationOf(image));
    const ended = outcome(target);
    for (const layer of image.layers) await put(target, layer);
    expect((await ended).at(-1)).toMatchObject({
      images: [
        { state: 'failed', error: { message: 'no space for the snapshot', context: { phase: 'unpack' } } },
      ],
    });
    expect(await store.listImages()).toEqual([]);
  });

  it('needs no layer blob whose snapshot is there, unless the content is to be kept', async () => {
    const store = node();
    const image = imageOf(['a', 'b']);
    const first = await open(store, declarationOf(image));
    for (const layer of image.layers) await put(first, layer);
    await outcome(first);
    for (const { descriptor } of image.layers) store.lose(descriptor.digest);

    expect(
      (await Import.preview({ store, owner: 'n', writers: new BlobWriters() }, declarationOf(image))).missing,
    ).toEqual([]);
    const keeping = { ...declarationOf(image), keepContent: true };
    expect(
      (await Import.preview({ store, owner: 'n', writers: new BlobWriters() }, keeping)).missing,
    ).toHaveLength(2);
    const packed = { ...declarationOf(image), unpack: false };
    expect(
      (await Import.preview({ store, owner: 'n', writers: new BlobWriters() }, packed)).missing,
    ).toHaveLength(2);
  });

  it('refuses before anything is sent when the node has no room', async () => {
    const store = node({ freeBytes: 3_000 });
    const image = imageOf([Buffer.alloc(50_000, 'z')]);
    await expect(open(store, declarationOf(image))).rejects.toMatchObject({
      code: 'store_full',
      hint: expect.any(String),
    });
  });

  it('refuses documents whose bytes are not what their descriptor says', async () => {
    const image = imageOf(['a']);
    const lie = { descriptor: image.manifest.descriptor, data: Buffer.from('{}').toString('base64') };
    await expect(
      open(node(), { images: [{ name: 'app:1', target: image.target }], documents: [lie] }),
    ).rejects.toMatchObject({
      code: 'size_mismatch',
    });
  });

  it('refuses another namespace than its own', async () => {
    await expect(open(node(), { namespace: 'default' })).rejects.toMatchObject({
      code: 'namespace_forbidden',
    });
  });

  it('previews without beginning anything', async () => {
    const store = node();
    const image = imageOf(['a']);
    const preview = await Import.preview(
      { store, owner: 'node-1', writers: new BlobWriters() },
      declarationOf(image),
    );
    const missing = preview.missing.map(({ digest }) => digest as Digest);
    expect(missing).toContain(image.layers[0]?.descriptor.digest);
    expect(store.contents()).toMatchObject({ blobs: [] });
    expect(await store.listImages()).toEqual([]);
  });
});
