import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { createMemoryStore, type MemoryStore } from '../../src/store/memory/memory-store.ts';
import { chunksOf, imageOf, indexOf } from '../support/blobs.ts';
import { type FakeRegistry, startFakeRegistry } from '../support/registry/fake-registry.ts';
import { type Cluster, makeCluster, stored } from './fetch-nodes.ts';
import { ask } from './http.ts';
import type { TestAgent } from './test-agent.ts';

const size = 600_000;
const image = imageOf([Buffer.alloc(size, 'a layer of some size, ')]);
const arm = imageOf(['arm'], { os: 'linux', architecture: 'arm64' });
const index = indexOf([
  { image, platform: { os: 'linux', architecture: 'amd64' } },
  { image: arm, platform: { os: 'linux', architecture: 'arm64' } },
]);
const [layer = image.manifest] = image.layers;

let cluster: Cluster;
let registry: FakeRegistry;
let store: MemoryStore;
let agent: TestAgent;
beforeAll(async () => {
  cluster = await makeCluster();
});
afterAll(() => cluster[Symbol.asyncDispose]());
beforeEach(async () => {
  registry = await startFakeRegistry({ tags: { 'team/app:1': index } });
  store = createMemoryStore();
  agent = await cluster.node([], { store });
});
afterEach(async () => {
  await agent[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
});

const post = (path: string, body: object) => ask(agent, path, { method: 'POST', body: JSON.stringify(body) });

it('an agent says what an image is, for the platforms that are asked for, and reads no layer', async () => {
  const { target, documents, blobs } = await agent.client.registryImage({
    reference: `${registry.host}/team/app:1`,
    platforms: [{ kind: 'hosts', platforms: ['linux/amd64'] }],
  });
  expect(target).toMatchObject({ digest: index.target.digest, size: index.target.size });
  expect(documents.map(({ descriptor }) => descriptor.digest).toSorted()).toEqual(
    [index.index, image.manifest, image.config].map(({ descriptor }) => descriptor.digest).toSorted(),
  );
  expect(blobs).toEqual([{ digest: layer.descriptor.digest, size: layer.descriptor.size }]);
  expect(registry.paths().filter((path) => path.includes(layer.descriptor.digest))).toEqual([]);
  expect((await agent.client.describe()).features).toContain('registry');
});

it.each([
  'http://127.0.0.1/x',
  '../../etc/passwd',
  'host/../admin',
  'host/App:1',
  'host/app:1?x=y',
  'a b',
  '',
])('an agent asks nobody for %j', async (reference) => {
  expect(await post('/v1/registry/image', { reference, platforms: [] })).toMatchObject({
    status: 400,
    code: 'request_invalid',
  });
  const { id } = await agent.client.openImport({});
  const path = `/v1/imports/${id}/blobs/${encodeURIComponent(layer.descriptor.digest)}/fetch`;
  expect(await post(path, { registry: { images: [reference] }, size })).toMatchObject({
    status: 400,
    code: 'request_invalid',
  });
  expect(registry.paths()).toEqual([]);
});

it('an agent gets a blob from peers or from a registry, which are named, and not from both', async () => {
  const { id } = await agent.client.openImport({});
  const path = `/v1/imports/${id}/blobs/${encodeURIComponent(layer.descriptor.digest)}/fetch`;
  const source = { images: [`${registry.host}/team/app:1`] };
  for (const body of [
    {},
    { from: [] },
    { from: [agent.url.origin], registry: source, size },
    { registry: source },
  ])
    expect(await post(path, body)).toMatchObject({ status: 400, code: 'request_invalid' });
});

it('an agent goes on with a blob from where it was left, and says where that is', async () => {
  const { digest } = layer.descriptor;
  const whole = layer.descriptor.size;
  const target = await agent.client.openImport({});
  const half = 300_000;
  async function* broken() {
    yield* chunksOf(layer.bytes.subarray(0, half), 100_000);
    throw new Error('the line broke');
  }
  await target.put({ digest, size: whole, offset: 0 }, broken).catch(() => {});
  const source = { images: [`${registry.host}/team/app:1`] };
  const pull = (offset: number) =>
    target.pull?.({ digest, size: whole, offset }, source, undefined, { relay: [] });
  await expect(pull(whole - 1)).rejects.toMatchObject({ code: 'offset_mismatch', context: { offset: half } });
  expect(await pull(half)).toMatchObject({ received: whole - half, from: [] });
  expect((await stored(store, layer)).equals(layer.bytes)).toBe(true);
  expect(registry.requests.at(-1)?.headers.range).toBe(`bytes=${half}-`);
  expect((await ask(agent, '/metrics')).text).toContain(
    `imgctl_registry_received_bytes_total ${whole - half}`,
  );
});

it('an agent that two imports ask for the same blob at once reads it once', async () => {
  const { digest, size } = layer.descriptor;
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  registry.faults.push({
    path: new RegExp(digest),
    answer(response, bytes = Buffer.alloc(0)) {
      response.writeHead(200, { 'content-length': bytes.byteLength });
      begin();
      let at = 0;
      const writing = setInterval(() => {
        response.write(bytes.subarray(at, at + 20_000));
        at += 20_000;
        if (at >= bytes.byteLength) response.end();
      }, 20);
      response.on('close', () => clearInterval(writing));
    },
  });
  const source = { images: [`${registry.host}/team/app:1`] };
  const pull = async () => {
    const target = await agent.client.openImport({});
    return target.pull?.({ digest, size, offset: 0 }, source, undefined, { relay: [] });
  };
  const first = pull();
  await begun;
  expect(await Promise.all([first, pull()])).toMatchObject([{ received: size }, { received: 0 }]);
  expect(registry.paths().filter((path) => path.includes(digest))).toHaveLength(1);
});

it('an agent says what its registry said, of a blob that is not there', async () => {
  const target = await agent.client.openImport({});
  const [{ descriptor }] = arm.layers as [(typeof arm.layers)[number]];
  const source = { images: [`${registry.host}/team/nothing`] };
  registry.guard = (_, response) => {
    response.writeHead(404).end();
    return true;
  };
  await expect(
    target.pull?.({ ...descriptor, offset: 0 }, source, undefined, { relay: [] }),
  ).rejects.toMatchObject({ code: 'image_unknown', context: { phase: 'fetch', registry: registry.host } });
});
