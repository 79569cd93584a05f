import { describe, expect, it } from 'vitest';
import type { ImportHandle, ImportNode } from '../../src/agent-api/import-node.ts';
import { distribute, previewDistribution } from '../../src/distribute/fan-out.ts';
import type { FanOutOptions } from '../../src/distribute/fan-out-options.ts';
import { ImgctlError } from '../../src/errors.ts';
import {
  createMemoryStore,
  type MemoryStore,
  type MemoryStoreOptions,
} from '../../src/store/memory/memory-store.ts';
import { createLocalNode } from '../../src/transfer/local-node.ts';
import { imageOf, indexOf } from '../support/blobs.ts';
import { memorySource } from '../support/memory-source.ts';
import { type RecordedRun, recordedRun } from './recorded-run.ts';

const amd64 = { os: 'linux', architecture: 'amd64' };
const arm64 = { os: 'linux', architecture: 'arm64', variant: 'v8' };

interface TestNode {
  readonly name: string;
  readonly address: string;
  readonly store: MemoryStore;
  readonly node: ImportNode;
}

function nodeNamed(name: string, options: MemoryStoreOptions = {}): TestNode {
  const store = createMemoryStore({ platforms: [amd64], ...options });
  return {
    name,
    address: `${name}:25000`,
    store,
    node: createLocalNode(store, { name, owner: name, version: '0' }),
  };
}

/** The same node with something about its imports changed. */
function with_(
  node: TestNode,
  change: (handle: ImportHandle, attempt: number) => Partial<ImportHandle>,
): TestNode {
  let attempts = 0;
  return {
    ...node,
    node: {
      ...node.node,
      async openImport(declaration, signal) {
        const handle = await node.node.openImport(declaration, signal);
        const changed = change(handle, ++attempts);
        return {
          id: handle.id,
          opened: handle.opened,
          state: (s) => handle.state(s),
          declare: (more, s) => handle.declare(more, s),
          put: (blob, body, s) => handle.put(blob, body, s),
          fetch: (blob, from, s) => handle.fetch(blob, from, s),
          events: (s) => handle.events(s),
          leave: (o) => handle.leave(o),
          ...changed,
        };
      },
    },
  };
}

const image = imageOf([Buffer.alloc(100_000, 'a'), Buffer.alloc(200_000, 'b'), 'c']);
const bytes = image.blobs.reduce((sum, { descriptor }) => sum + descriptor.size, 0);
const source = () => memorySource([{ name: 'docker.io/library/app:1', target: image.target }], image.blobs);

function options(nodes: readonly TestNode[], more: Partial<FanOutOptions> = {}): RecordedRun {
  return recordedRun(nodes, source(), more);
}

describe('distributing to several nodes', () => {
  it('brings the image to every node, with an outcome each', async () => {
    const nodes = [nodeNamed('n1'), nodeNamed('n2'), nodeNamed('n3')];
    const outcomes = await distribute(options(nodes));
    expect(outcomes).toMatchObject(
      nodes.map(({ name, address }) => ({
        node: name,
        address,
        status: 'imported',
        bytesSent: bytes,
        bytesSkipped: 0,
      })),
    );
    for (const { store } of nodes) expect(await store.getImage('docker.io/library/app:1')).toBeDefined();
  });

  it('sends nothing where everything is there, and calls it unchanged', async () => {
    const node = nodeNamed('n1');
    await distribute(options([node]));
    const again = source();
    const outcomes = await distribute(options([node], { source: again }));
    expect(outcomes).toMatchObject([{ status: 'unchanged', bytesSent: 0, bytesSkipped: bytes }]);
    for (const { descriptor } of image.layers) expect(again.bytesRead.get(descriptor.digest)).toBeUndefined();
  });

  it('reports a node that fails, and the others have everything', async () => {
    const broken = with_(nodeNamed('broken'), () => ({
      put: () => Promise.reject(new ImgctlError('store_unreachable', 'containerd is gone')),
    }));
    const outcomes = await distribute(options([broken, nodeNamed('well')]));
    expect(outcomes).toMatchObject([
      { node: 'broken', status: 'failed', error: { code: 'store_unreachable', context: { node: 'broken' } } },
      { node: 'well', status: 'imported' },
    ]);
  });

  it('tries again what may pass, and sends only what is still missing', async () => {
    const node = nodeNamed('n1');
    let puts = 0;
    const flaky = with_(node, (handle, attempt) => ({
      put(blob, body, signal) {
        puts += 1;
        if (attempt === 1 && puts === 2) throw new ImgctlError('node_unreachable', 'the connection broke');
        return handle.put(blob, body, signal);
      },
    }));
    const run = options([flaky], { retries: 2, concurrency: 1 });
    const [outcome] = await distribute(run);
    expect(outcome).toMatchObject({ status: 'imported' });
    expect(run.events.filter(({ type }) => type === 'retry')).toHaveLength(1);
    expect(outcome?.bytesSent).toBeLessThanOrEqual(bytes);
    expect(node.store.contents().leases).toEqual([]);
  });

  it('does not take a node at its word that says nothing of the image', async () => {
    const liar = with_(nodeNamed('liar'), (handle) => ({
      opened: { ...handle.opened, missing: [] },
      state: async () => ({ ...handle.opened, missing: [] }),
      events: async function* () {
        yield { type: 'done' as const, images: [] };
      },
    }));
    expect(await distribute(options([liar]))).toMatchObject([
      { status: 'failed', error: { code: 'node_protocol' } },
    ]);
  });

  it('gives up after its retries', async () => {
    const dead = with_(nodeNamed('dead'), () => ({
      put: () => Promise.reject(new ImgctlError('node_unreachable', 'the connection broke')),
    }));
    const run = options([dead], { retries: 1 });
    expect(await distribute(run)).toMatchObject([{ status: 'failed', error: { code: 'node_unreachable' } }]);
    expect(run.events.filter(({ type }) => type === 'retry')).toMatchObject([{ attempt: 1, of: 1 }]);
  });

  it('does not wait for ever for a node that takes no byte', async () => {
    const hung = with_(nodeNamed('hung'), () => ({
      put: (_blob, _body, signal) =>
        new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason))),
    }));
    const outcomes = await distribute(options([hung, nodeNamed('well')], { stallTimeoutMs: 200 }));
    expect(outcomes).toMatchObject([
      { node: 'hung', status: 'failed', error: { code: 'node_stalled' } },
      { node: 'well', status: 'imported' },
    ]);
  });

  it('refuses a node whose platform the archive has not, before any byte', async () => {
    const outcomes = await distribute(options([nodeNamed('arm', { platforms: [arm64] }), nodeNamed('amd')]));
    expect(outcomes).toMatchObject([
      {
        node: 'arm',
        status: 'refused',
        bytesSent: 0,
        error: { code: 'platform_missing', context: { node: 'arm' } },
      },
      { node: 'amd', status: 'imported' },
    ]);
  });

  it('with strict, sends nobody anything when one node is unfit', async () => {
    const amd = nodeNamed('amd');
    const outcomes = await distribute(
      options([nodeNamed('arm', { platforms: [arm64] }), amd], { strict: true }),
    );
    expect(outcomes).toMatchObject([
      { node: 'arm', status: 'refused', error: { code: 'platform_missing' } },
      { node: 'amd', status: 'refused', bytesSent: 0, error: { code: 'held_back' } },
    ]);
    expect(await amd.store.listImages()).toEqual([]);
  });

  it('with strict, sends when all are fit', async () => {
    const outcomes = await distribute(options([nodeNamed('a'), nodeNamed('b')], { strict: true }));
    expect(outcomes.map(({ status }) => status)).toEqual(['imported', 'imported']);
  });

  it('refuses an archive that lacks a layer which the node lacks too, and takes it where the node has it', async () => {
    const [first, ...rest] = image.blobs;
    const partial = memorySource(source().images, rest);
    const [bare, full] = [nodeNamed('bare'), nodeNamed('full')];
    await distribute(options([full]));
    const outcomes = await distribute(options([bare, full], { source: partial }));
    expect(outcomes).toMatchObject([
      {
        node: 'bare',
        status: 'refused',
        error: { code: 'archive_incomplete', context: { digest: first?.descriptor.digest } },
      },
      { node: 'full', status: 'unchanged' },
    ]);
  });

  it('refuses a platform that the index lists and the archive was saved without, and names what it has', async () => {
    const other = imageOf(['other'], arm64);
    const index = indexOf([
      { image, platform: amd64 },
      { image: other, platform: arm64 },
    ]);
    const saved = memorySource([{ name: 'app:1', target: index.target }], [...other.blobs, index.index]);
    expect(await distribute(options([nodeNamed('amd')], { source: saved }))).toMatchObject([
      {
        status: 'refused',
        error: { code: 'platform_missing', context: { wanted: 'linux/amd64', available: ['linux/arm64'] } },
      },
    ]);
    const pulled = { ...saved, keptIn: 'registry' as const };
    expect(await distribute(options([nodeNamed('amd')], { source: pulled }))).toMatchObject([
      { status: 'refused', error: { message: 'nothing was pulled for linux/amd64, but for linux/arm64' } },
    ]);
    const [elsewhere] = await distribute(
      options([nodeNamed('arm', { platforms: [arm64] })], { source: saved }),
    );
    expect(elsewhere).toMatchObject({ status: 'imported' });
  });

  it('blames the archive, once and without a retry, when its bytes are not what their digest says', async () => {
    const blobs = image.blobs.map((blob, i) =>
      i === 1 ? { ...blob, bytes: Buffer.alloc(blob.bytes.byteLength, '!') } : blob,
    );
    const lying = memorySource(source().images, blobs);
    const node = nodeNamed('n1');
    const run = options([node], { source: lying, retries: 3 });
    expect(await distribute(run)).toMatchObject([
      {
        status: 'failed',
        error: {
          code: 'digest_mismatch',
          context: { phase: 'archive', digest: image.blobs[1]?.descriptor.digest },
        },
      },
    ]);
    expect(run.events.filter(({ type }) => type === 'retry')).toEqual([]);
    expect(await node.store.listImages()).toEqual([]);
  });

  it('leaves its imports resumable when it is interrupted', async () => {
    const node = nodeNamed('n1');
    const interrupt = new AbortController();
    const slow = with_(node, (handle) => ({
      async put(blob, body, signal) {
        const result = await handle.put(blob, body, signal);
        interrupt.abort(new ImgctlError('interrupted', 'Ctrl-C'));
        return result;
      },
    }));
    const [outcome] = await distribute(
      options([slow], { signal: interrupt.signal, concurrency: 1, retries: 3 }),
    );
    expect(outcome).toMatchObject({ status: 'failed', error: { code: 'interrupted' } });
    expect(node.store.contents().leases).toMatchObject([{ expiresAt: expect.any(Number) }]);
    const [again] = await distribute(options([node]));
    expect(again).toMatchObject({ status: 'imported' });
    expect(again?.bytesSkipped).toBeGreaterThan(0);
    expect(node.store.contents().leases).toEqual([]);
  });

  it('tells beforehand what would be sent where', async () => {
    const [empty, full] = [nodeNamed('empty'), nodeNamed('full')];
    await distribute(options([full]));
    const arm = nodeNamed('arm', { platforms: [arm64] });
    expect(await previewDistribution(options([empty, full, arm]))).toMatchObject([
      { node: 'empty', bytes, bytesSkipped: 0 },
      { node: 'full', blobs: 0, bytes: 0, bytesSkipped: bytes },
      { node: 'arm', error: { code: 'platform_missing' } },
    ]);
    expect(await empty.store.listImages()).toEqual([]);
  });
});
