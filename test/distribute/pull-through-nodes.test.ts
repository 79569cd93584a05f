import { expect, it } from 'vitest';
import type { DistributeEvent } from '../../src/distribute/outcome.ts';
import { randomImage } from '../support/archives.ts';
import { startFakeRegistry } from '../support/registry/fake-registry.ts';
import { readsOf, startPullingNodes } from './pulling-nodes.ts';

const names = ['a', 'b', 'c'];
const image = await randomImage({ layers: 4, layerSize: 700_000, seed: 'through nodes', gzip: true });
const layers = image.layers.map(({ descriptor }) => descriptor);
const layerBytes = layers.reduce((sum, { size }) => sum + size, 0);

it('nodes read each layer from its registry once, and pass it on to each other', async () => {
  await using registry = await startFakeRegistry({ tags: { 'app:1': image } });
  await using nodes = await startPullingNodes(names, registry);
  const { failed, outcomes } = await nodes.pull([`${registry.host}/app:1`]);
  expect(failed).toEqual([]);
  expect(outcomes.map(({ status }) => status)).toEqual(['imported', 'imported', 'imported']);
  for (const { digest } of layers) expect(readsOf(registry, digest)).toHaveLength(1);
  // Not all by the same node, and none by this side
  expect(new Set(layers.map(({ digest }) => readsOf(registry, digest)[0]?.node)).size).toBeGreaterThan(1);
  const sum = (of: (outcome: (typeof outcomes)[number]) => number | undefined) =>
    outcomes.reduce((all, outcome) => all + (of(outcome) ?? 0), 0);
  expect(sum(({ bytesFromRegistries }) => bytesFromRegistries)).toBe(layerBytes);
  expect(sum(({ bytesFromPeers }) => bytesFromPeers)).toBe(2 * layerBytes);
  expect(sum(({ bytesSent }) => bytesSent)).toBeLessThan(100_000);

  const before = registry.requests.length;
  const again = await nodes.pull([`${registry.host}/app:1`]);
  expect(again.outcomes.map(({ status }) => status)).toEqual(['unchanged', 'unchanged', 'unchanged']);
  expect(
    registry
      .paths()
      .slice(before)
      .filter((path) => layers.some(({ digest }) => path.includes(digest))),
  ).toEqual([]);
});

it('one node alone pulls too', async () => {
  await using registry = await startFakeRegistry({ tags: { 'app:1': image } });
  await using nodes = await startPullingNodes(['a'], registry);
  const { outcomes } = await nodes.pull([`${registry.host}/app:1`]);
  expect(outcomes).toMatchObject([{ status: 'imported', bytesFromRegistries: layerBytes }]);
});

it('a node that cannot reach the registry gets everything from those that can', async () => {
  await using registry = await startFakeRegistry({ tags: { 'app:1': image } });
  await using nodes = await startPullingNodes(names, registry, { cutOff: ['a', 'c'] });
  const { outcomes } = await nodes.pull([`${registry.host}/app:1`]);
  expect(outcomes.map(({ status }) => status)).toEqual(['imported', 'imported', 'imported']);
  expect(outcomes.map(({ bytesFromRegistries }) => bytesFromRegistries)).toEqual([
    undefined,
    layerBytes,
    undefined,
  ]);
  for (const { digest } of layers) expect(readsOf(registry, digest)).toHaveLength(1);
});

it('says what to do where no node reaches the registry', async () => {
  await using registry = await startFakeRegistry({ tags: { 'app:1': image } });
  await using nodes = await startPullingNodes(['a', 'b'], registry, { cutOff: ['a', 'b'] });
  const { failed } = await nodes.pull([`${registry.host}/app:1`]);
  expect(failed).toMatchObject([
    { code: 'registry_unreachable', hint: expect.stringContaining('--via command') },
  ]);
});

it('says so of layers too, which no node is given', async () => {
  await using registry = await startFakeRegistry({ tags: { 'app:1': image } });
  const [layer] = layers;
  registry.guard = ({ url }, response) => {
    if (!url?.includes(String(layer?.digest))) return false;
    response.writeHead(403).end();
    return true;
  };
  await using nodes = await startPullingNodes(names, registry);
  const { outcomes } = await nodes.pull([`${registry.host}/app:1`]);
  for (const { status, error } of outcomes) {
    expect(status).toBe('failed');
    expect(error).toMatchObject({
      code: 'registry_unauthorized',
      hint: expect.stringContaining('--via command'),
    });
  }
  // Each node tried it once
  expect(
    readsOf(registry, layer?.digest)
      .map(({ node }) => node)
      .toSorted(),
  ).toEqual(names);
});

it('a node that runs what was never built is told what helps at a registry', async () => {
  await using registry = await startFakeRegistry({ tags: { 'app:1': image } });
  await using nodes = await startPullingNodes(['a', 'b'], registry, { arm: ['b'] });
  const { outcomes } = await nodes.pull([`${registry.host}/app:1`]);
  expect(outcomes).toMatchObject([
    { status: 'imported' },
    {
      status: 'refused',
      error: {
        code: 'platform_missing',
        hint: 'Build and push the image for linux/arm64 too, or pull what is there with --platform linux/amd64.',
      },
    },
  ]);
});

it('a node whose mirror lacks the image, and its layers, gets them from one whose mirror has them', async () => {
  await using registry = await startFakeRegistry({ tags: { 'app:1': image } });
  await using empty = await startFakeRegistry();
  await using nodes = await startPullingNodes(['a', 'b'], registry, {
    elsewhere: { url: empty.url, nodes: ['a'] },
  });
  const { failed, outcomes } = await nodes.pull([`${registry.host}/app:1`]);
  expect(failed).toEqual([]);
  expect(outcomes).toMatchObject([
    { status: 'imported' },
    { status: 'imported', bytesFromRegistries: layerBytes },
  ]);
});

it('an image that no registry has is asked for once by each node', async () => {
  await using registry = await startFakeRegistry({ tags: { 'app:1': image } });
  await using nodes = await startPullingNodes(names, registry);
  const { failed } = await nodes.pull([`${registry.host}/nowhere:1`]);
  expect(failed).toMatchObject([{ code: 'image_unknown', context: { registry: registry.host } }]);
  expect(registry.requests.map(({ headers }) => headers['x-node'])).toEqual(names);
});

it('where a node dies in the middle, another goes on from there', async () => {
  const size = 8 * 1024 * 1024;
  const large = await randomImage({ layers: 1, layerSize: size, seed: 'large' });
  const digest = large.layers[0]?.descriptor.digest ?? '';
  await using registry = await startFakeRegistry({ tags: { 'app:1': large } });
  await using nodes = await startPullingNodes(names, registry);
  let dies: string | undefined;
  const { promise: dead, resolve } = Promise.withResolvers<void>();
  registry.faults.push({
    path: new RegExp(digest),
    answer(response, bytes = Buffer.alloc(0), { headers }) {
      dies = String(headers['x-node']);
      response.writeHead(200, { 'content-length': bytes.byteLength });
      // Slowly, so that the nodes tell how far they are
      let at = 0;
      const writing = setInterval(() => {
        if (at < size / 2) response.write(bytes.subarray(at, at + 65_536));
        at += 65_536;
      }, 20);
      response.on('close', () => clearInterval(writing));
    },
  });
  const got = new Map<string, number>();
  const onEvent = (event: DistributeEvent) => {
    if (event.type === 'progress') got.set(event.node, event.receivedBytes);
    const others = names.filter((name) => name !== dies);
    if (dies === undefined || !others.every((name) => (got.get(name) ?? 0) > size / 4)) return;
    const agent = nodes.agents.get(dies);
    void agent?.stop().then(resolve);
  };
  const { outcomes } = await nodes.pull([`${registry.host}/app:1`], { onEvent });
  await dead;
  for (const { node, status } of outcomes)
    expect([node, status]).toEqual([node, node === dies ? 'failed' : 'imported']);
  const [first, second, ...more] = readsOf(registry, digest);
  expect(first).toEqual({ node: dies, from: 0 });
  expect(second?.node).not.toBe(dies);
  expect(second?.from).toBeGreaterThan(size / 4);
  expect(more).toEqual([]);
});

it('bytes of a blob that are wrong are the registry’s fault, at each node', async () => {
  await using registry = await startFakeRegistry({ tags: { 'app:1': image } });
  const [layer] = image.layers;
  registry.guard = ({ url }, response) => {
    if (layer === undefined || !url?.includes(layer.descriptor.digest)) return false;
    response.writeHead(200).end(Buffer.alloc(layer.bytes.byteLength, 'x'));
    return true;
  };
  await using nodes = await startPullingNodes(['a', 'b'], registry);
  const { outcomes } = await nodes.pull([`${registry.host}/app:1`]);
  for (const { error } of outcomes)
    expect(error).toMatchObject({ code: 'digest_mismatch', message: expect.stringContaining(registry.host) });
});

it('agents that are older get it from those that pull', async () => {
  await using registry = await startFakeRegistry({ tags: { 'app:1': image } });
  await using nodes = await startPullingNodes(names, registry);
  const { outcomes } = await nodes.pull([`${registry.host}/app:1`], { old: ['a', 'b'] });
  expect(outcomes.map(({ status }) => status)).toEqual(['imported', 'imported', 'imported']);
  expect(outcomes.map(({ bytesFromRegistries }) => bytesFromRegistries)).toEqual([
    undefined,
    undefined,
    layerBytes,
  ]);
});

it('says what to do where all agents are older', async () => {
  await using registry = await startFakeRegistry({ tags: { 'app:1': image } });
  await using nodes = await startPullingNodes(['a', 'b'], registry);
  const { failed } = await nodes.pull([`${registry.host}/app:1`], { old: ['a', 'b'] });
  expect(failed).toMatchObject([{ code: 'node_protocol', hint: expect.stringContaining('--via command') }]);
});

it('logins of a pull secret are used, and told to nobody else', async () => {
  await using registry = await startFakeRegistry({ tags: { 'app:1': image } });
  registry.guard = ({ headers }, response) => {
    if (headers.authorization === `Basic ${Buffer.from('me:right-pass').toString('base64')}`) return false;
    const told = JSON.stringify({ errors: [{ message: `not ${headers.authorization}` }] });
    response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end(told);
    return true;
  };
  await using nodes = await startPullingNodes(['a', 'b'], registry);
  const login = (password: string) => ({
    source: 'secret team/login',
    entries: [{ key: registry.host, credential: { kind: 'password' as const, username: 'me', password } }],
  });
  const ref = `${registry.host}/app:1`;
  const refused = await nodes.pull([ref], { logins: [login('wrong-pass')] });
  expect(refused.failed).toMatchObject([{ code: 'registry_unauthorized' }]);
  const { outcomes } = await nodes.pull([ref], { logins: [login('right-pass')] });
  expect(outcomes.map(({ status }) => status)).toEqual(['imported', 'imported']);
  // It was for that run alone
  expect((await nodes.pull([ref])).failed).toMatchObject([{ code: 'registry_unauthorized' }]);
  const said =
    [...nodes.agents.values()].flatMap(({ log }) => log).join() + JSON.stringify([refused, outcomes]);
  expect(said).not.toMatch(/right-pass|wrong-pass|bWU6/);
});
