import { describe, expect, it } from 'vitest';
import type { NodeInfo } from '../../src/agent-api/schemas.ts';
import { distribute, previewDistribution } from '../../src/distribute/fan-out.ts';
import type { FanOutNode, FanOutOptions } from '../../src/distribute/fan-out-options.ts';
import { NodeChecks } from '../../src/distribute/node-checks.ts';
import type { DistributeEvent } from '../../src/distribute/outcome.ts';
import { ImgctlError } from '../../src/errors.ts';
import {
  createMemoryStore,
  type MemoryStore,
  type MemoryStoreOptions,
} from '../../src/store/memory/memory-store.ts';
import { createLocalNode } from '../../src/transfer/local-node.ts';
import { imageOf } from '../support/blobs.ts';
import { memorySource } from '../support/memory-source.ts';
import { type RecordedRun, recordedRun } from './recorded-run.ts';

const amd64 = { os: 'linux', architecture: 'amd64' };
const arm64 = { os: 'linux', architecture: 'arm64', variant: 'v8' };
const cluster = { ready: true, cordoned: false, platform: 'linux/amd64' };

const image = imageOf([Buffer.alloc(1_000_000, 'a'), Buffer.alloc(500_000, 'b')]);
const layerBytes = image.layers.reduce((sum, { descriptor }) => sum + descriptor.size, 0);
const source = () => memorySource([{ name: 'docker.io/library/app:1', target: image.target }], image.blobs);

interface TestNode extends FanOutNode {
  readonly store: MemoryStore;
}

function nodeNamed(name: string, more: MemoryStoreOptions & Pick<FanOutNode, 'cluster'> = {}): TestNode {
  const store = createMemoryStore({ platforms: [amd64], ...more });
  const node = createLocalNode(store, { name, owner: name, version: '0' });
  return { name, address: `${name}:25000`, store, node, cluster: more.cluster };
}

function withInfo(node: TestNode, change: Partial<NodeInfo>): TestNode {
  const describe = async (signal?: AbortSignal) => ({ ...(await node.node.describe(signal)), ...change });
  return { ...node, node: { ...node.node, describe } };
}

function failing(name: string, error: ImgctlError): TestNode {
  const node = nodeNamed(name);
  return { ...node, node: { ...node.node, describe: () => Promise.reject(error) } };
}

const nobodyThere = new ImgctlError('node_unreachable', 'nothing listens there', {
  hint: 'Start it.',
  context: { reason: 'ECONNREFUSED', address: '10.0.4.17:25000' },
});

function options(nodes: readonly FanOutNode[], more: Partial<FanOutOptions> = {}): RecordedRun {
  return recordedRun(nodes, source(), more);
}

function reportOf({ events }: { events: readonly DistributeEvent[] }) {
  const reports = events.filter((event) => event.type === 'checked');
  expect(reports).toHaveLength(1);
  return reports[0];
}

describe('before any byte moves', () => {
  it('every node is checked, all that are unfit are told together, and the others go on', async () => {
    const well = nodeNamed('well');
    const run = options([
      nodeNamed('crio', { cluster: { ...cluster, runtime: 'cri-o://1.30.4' } }),
      nodeNamed('arm', { platforms: [arm64] }),
      nodeNamed('full', { freeBytes: layerBytes + 10_000 }),
      failing('bare', nobodyThere),
      withInfo(nodeNamed('newer'), { api: 'v2' }),
      failing('stranger', new ImgctlError('node_untrusted', 'not trusted')),
      well,
    ]);
    const outcomes = await distribute(run);
    expect(
      outcomes.map(({ node, status, error, bytesSent }) => [node, status, error?.code, bytesSent]),
    ).toEqual([
      ['crio', 'refused', 'runtime_unsupported', 0],
      ['arm', 'refused', 'platform_missing', 0],
      ['full', 'refused', 'store_full', 0],
      ['bare', 'refused', 'node_unreachable', 0],
      ['newer', 'refused', 'node_not_agent', 0],
      ['stranger', 'failed', 'node_untrusted', 0],
      ['well', 'imported', undefined, expect.any(Number)],
    ]);
    const report = reportOf(run);
    expect(report?.waiting).toEqual([]);
    expect(new Map(report?.nodes.map(({ node, ok, error }) => [node, ok ? 'ok' : error?.code]))).toEqual(
      new Map([
        ['crio', 'runtime_unsupported'],
        ['arm', 'platform_missing'],
        ['full', 'store_full'],
        ['bare', 'node_unreachable'],
        ['newer', 'node_not_agent'],
        ['stranger', 'node_untrusted'],
        ['well', 'ok'],
      ]),
    );
  });

  it('a node where nothing listens is told how to get an agent', async () => {
    const [outcome] = await distribute(options([failing('bare', nobodyThere)]));
    for (const way of [
      'imgctl agent deploy --ssh',
      'imgctl agent install',
      'imgctl agent manifest | kubectl apply -f -',
    ])
      expect(outcome?.error?.hint).toContain(way);
  });

  it.each([
    ['cri-o://1.30.4', 'it runs CRI-O 1.30.4, imgctl needs containerd'],
    ['docker://27.0.3', 'it runs Docker (through cri-dockerd) 27.0.3, imgctl needs containerd'],
    ['other://2', 'it runs other 2, imgctl needs containerd'],
  ])('a node that runs %s is named as such without being asked', async (runtime, message) => {
    const node = failing('w1', new ImgctlError('internal', 'it was asked'));
    const run = options([{ ...node, cluster: { ...cluster, runtime } }]);
    expect(await distribute(run)).toMatchObject([
      { status: 'refused', error: { code: 'runtime_unsupported', message, context: { node: 'w1' } } },
    ]);
    expect(await previewDistribution(run)).toMatchObject([
      { error: { code: 'runtime_unsupported', message } },
    ]);
  });

  it.each([{ runtime: 'containerd://1.7.24' }, { runtime: 'containerd://2.0.0-k3s1' }, { runtime: '' }, {}])(
    'a node of which the cluster says %j is asked',
    async (facts) => {
      expect(
        await distribute(options([nodeNamed('w1', { cluster: { ...cluster, ...facts } })])),
      ).toMatchObject([{ status: 'imported' }]);
    },
  );

  it('a Windows node is refused by its platform', async () => {
    const windows = { ...cluster, platform: 'windows/amd64', runtime: 'containerd://1.7.24' };
    expect(await distribute(options([nodeNamed('win', { cluster: windows })]))).toMatchObject([
      {
        status: 'refused',
        error: { code: 'runtime_unsupported', message: expect.stringContaining('windows/amd64') },
      },
    ]);
  });

  it('with strict, nobody gets anything, and who is unfit is told apart from who was held back', async () => {
    const well = nodeNamed('well');
    const run = options([nodeNamed('crio', { cluster: { ...cluster, runtime: 'cri-o://1' } }), well], {
      strict: true,
    });
    const outcomes = await distribute(run);
    expect(outcomes.map(({ status, error }) => [status, error?.code])).toEqual([
      ['refused', 'runtime_unsupported'],
      ['refused', 'held_back'],
    ]);
    expect(reportOf(run)?.nodes).toMatchObject([
      { node: 'crio', ok: false },
      { node: 'well', ok: true },
    ]);
    expect(await well.store.listImages()).toEqual([]);
  });

  it('a node that does not answer holds nobody up, and is told of later', async () => {
    const events: DistributeEvent[] = [];
    using checks = new NodeChecks(['slow', 'well'], (event) => events.push(event), 20);
    checks.pass('well');
    expect(events).toEqual([]);
    await expect
      .poll(() => events)
      .toEqual([{ type: 'checked', nodes: [{ node: 'well', ok: true }], waiting: ['slow'] }]);
    checks.ended({ node: 'slow', status: 'failed', error: nobodyThere });
    expect(events).toHaveLength(1);
  });

  it('a node that is found fit at its second try is fit', async () => {
    const node = nodeNamed('w1');
    let asked = 0;
    const describe = (signal?: AbortSignal) =>
      ++asked === 1 ? Promise.reject(nobodyThere) : node.node.describe(signal);
    const run = options([{ ...node, node: { ...node.node, describe } }], { retries: 1 });
    expect(await distribute(run)).toMatchObject([{ status: 'imported' }]);
    expect(reportOf(run)?.nodes).toEqual([{ node: 'w1', ok: true }]);
  });
});

describe('the room that images need', () => {
  const blobBytes = image.blobs.reduce((sum, { descriptor }) => sum + descriptor.size, 0);
  const attempt = async (freeBytes: number, more: Partial<FanOutOptions> = {}, unpacks = true) => {
    const run = options([withInfo(nodeNamed('w1', { unpacks }), { freeBytes })], more);
    const [[outcome], [preview]] = [
      await distribute(run),
      await previewDistribution(options(run.nodes, more)),
    ];
    if (outcome?.status === 'refused') expect(preview?.error?.code).toBe(outcome.error?.code);
    return outcome;
  };

  it('is that of the blobs and of what they unpack to, and a little', async () => {
    const needed = blobBytes + layerBytes;
    expect(await attempt(needed)).toMatchObject({
      status: 'refused',
      bytesSent: 0,
      error: {
        code: 'store_full',
        message: expect.stringMatching(
          /need 2\.9 MiB \(1\.4 MiB of blobs, 1\.4 MiB unpacked\).* 2\.9 MiB free/,
        ),
        context: { freeBytes: needed, unpackedBytes: layerBytes },
      },
    });
    expect(await attempt(Math.ceil(needed * 1.07))).toMatchObject({ status: 'imported' });
  });

  it('is that of the blobs where nothing is unpacked', async () => {
    const enough = Math.ceil(blobBytes * 1.07);
    expect(await attempt(enough)).toMatchObject({
      status: 'refused',
      error: { hint: expect.stringContaining('--no-unpack') },
    });
    expect(await attempt(enough, { declaration: { unpack: false } })).toMatchObject({ status: 'imported' });
    expect(await attempt(enough, {}, false)).toMatchObject({ status: 'imported' });
  });

  it('is that of the blobs where what they unpack to goes elsewhere', async () => {
    const node = nodeNamed('w1');
    const { store } = await node.node.describe();
    const info = { freeBytes: Math.ceil(blobBytes * 1.07), store: { ...store, snapshotter: 'devmapper' } };
    expect(await distribute(options([withInfo(node, info)]))).toMatchObject([{ status: 'imported' }]);
  });

  it('counts what the source says that a layer unpacks to', async () => {
    const large = { ...source(), unpackedSizeOf: async () => 50_000_000 };
    expect(await attempt(90_000_000, { source: large })).toMatchObject({ error: { code: 'store_full' } });
    const broken = { ...source(), unpackedSizeOf: () => Promise.reject(new Error('no')) };
    expect(await attempt(90_000_000, { source: broken })).toMatchObject({ status: 'imported' });
  });

  it('is none where everything is there', async () => {
    const node = nodeNamed('w1');
    await distribute(options([node]));
    expect(await distribute(options([withInfo(node, { freeBytes: 0 })]))).toMatchObject([
      { status: 'unchanged' },
    ]);
  });
});
