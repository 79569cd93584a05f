import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { createAgentClient } from '../../src/agent-api/agent-client.ts';
import type { ImportHandle } from '../../src/agent-api/import-node.ts';
import { createMemoryStore } from '../../src/store/memory/memory-store.ts';
import { leastRate, RateLimit } from '../../src/streams/rate-limit.ts';
import { chunksOf, randomBlob, type TestBlob } from '../support/blobs.ts';
import { type Cluster, makeCluster, stored } from './fetch-nodes.ts';
import { heldBy, startRoute } from './relay-route.ts';
import type { TestAgent } from './test-agent.ts';

/** Nothing here says how fast it must be: only that it is not faster, and that nobody is taken for stalled by it. */

const rate = 1_000_000;
const burst = rate / 20;
/** No quicker than this can so many bytes pass, in milliseconds. */
const leastMs = (bytes: number) => ((bytes - burst) / rate) * 1000;

const cleanUps: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of cleanUps.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

async function cluster(): Promise<Cluster> {
  const made = await makeCluster();
  cleanUps.push(made);
  return made;
}

async function node(of: Cluster, ...args: Parameters<Cluster['node']>): Promise<TestAgent> {
  const agent = await of.node(...args);
  cleanUps.push(agent);
  return agent;
}

describe('an import with a maximal rate', () => {
  it('is passed on no faster, and nobody is cut off for it', async () => {
    // More than a hop holds, and far less patience than the rate takes: what waits for it is no slow hop, and does not stall
    const size = 14 * 1024 * 1024;
    await using route = await startRoute(2, {
      limits: { relayPatienceMs: 50, peerStallMs: 300 },
      declaration: { maxRate: 8 * rate },
    });
    const blob = randomBlob(size);
    const ms = await timed(async () => {
      const { error, relay } = await route.send(blob);
      expect([error, relay.map(({ ok }) => ok)]).toEqual([undefined, [true]]);
    });
    expect(ms).toBeGreaterThanOrEqual(leastMs(size / 8));
    expect(heldBy(route.stops, blob)).toEqual(['whole', 'whole']);
  });

  it('may be so slow that a piece takes longer than a stall', async () => {
    await using route = await startRoute(2, {
      limits: { peerStallMs: 200, aliveMs: 10_000 },
      declaration: { maxRate: leastRate },
    });
    const ms = await timed(async () => {
      const { relay } = await route.send(randomBlob(24_000));
      expect(relay).toEqual([{ node: 'n1', ok: true }]);
    });
    expect(ms).toBeGreaterThanOrEqual(1000);
  });

  it('is slowed to its rate by one that is, where both go through the same node', async () => {
    await using route = await startRoute(2, { declaration: { maxRate: rate } });
    const [first, second] = route.stops;
    if (first === undefined || second === undefined) throw new Error('no route');
    const others = [await first.agent.client.openImport({}), await second.agent.client.openImport({})];
    const hops = [first, second].map(({ hop }, i) => ({
      import: others[i] ?? first.import,
      hop: { ...hop, import: others[i]?.id ?? '' },
    }));
    // The other begins when the first is on its way, and is over before it
    const ms = await timed(async () => {
      const limited = route.send(randomBlob(2_000_000));
      await sleep(200);
      await Promise.all([limited, route.send(randomBlob(500_000), { route: hops })]);
    });
    expect(ms).toBeGreaterThanOrEqual(leastMs(2_500_000));
  });

  it('is fetched from peers no faster, however many fetch', async () => {
    const nodes = await cluster();
    const blob = randomBlob(700_000);
    const source = await node(nodes, [blob]);
    const stores = [createMemoryStore(), createMemoryStore()];
    const targets: ImportHandle[] = [];
    for (const store of stores)
      targets.push(await (await node(nodes, [], { store })).client.openImport({ maxRate: rate }));
    const ms = await timed(() =>
      Promise.all(targets.map((target) => target.fetch(blob.descriptor, [source.url.origin]))),
    );
    expect(ms).toBeGreaterThanOrEqual(leastMs(1_400_000));
    for (const store of stores) expect((await stored(store, blob)).equals(blob.bytes)).toBe(true);
  });

  it.each([0, 1, leastRate - 1, 1.5, -1, 1e15])('of %d bytes/s is refused', async (maxRate) => {
    const agent = await node(await cluster());
    await expect(agent.client.openImport({ maxRate })).rejects.toMatchObject({ code: 'request_invalid' });
  });
});

describe('an agent with a maximal rate', () => {
  it('sends no faster to whoever asks, for whatever import', async () => {
    const nodes = await cluster();
    const blob = randomBlob(1_000_000);
    const source = await node(nodes, [blob], { settings: { maxRate: rate } });
    const target = await (await node(nodes)).client.openImport({ maxRate: 10 * rate });
    const ms = await timed(() => target.fetch(blob.descriptor, [source.url.origin]));
    expect(ms).toBeGreaterThanOrEqual(leastMs(1_000_000));
  });

  it.each(['0', '1', 'x', '1e9', '-5', '99999999999999999999', ''])(
    'does not take %j in the header of a request',
    async (header) => {
      const blob = randomBlob(100);
      const agent = await node(await cluster(), [blob]);
      const status = await get(agent, blob, { 'imgctl-max-rate': header });
      expect(status).toBe(400);
    },
  );

  it('takes one that is a rate', async () => {
    const blob = randomBlob(100);
    const agent = await node(await cluster(), [blob]);
    expect(await get(agent, blob, { 'imgctl-max-rate': `${leastRate}` })).toBe(200);
  });
});

describe('clients that share an uplink', () => {
  it('upload no faster together', async () => {
    const nodes = await cluster();
    const uplink = new RateLimit(rate);
    const blobs = [randomBlob(700_000), randomBlob(700_000)];
    const ms = await timed(() =>
      Promise.all(
        blobs.map(async (blob) => {
          const store = createMemoryStore();
          const agent = await node(nodes, [], { store });
          await using client = createAgentClient({
            baseUrl: agent.url,
            name: 'n',
            trust: { token: agent.token },
            uplink,
          });
          const target = await client.openImport({});
          await target.put({ ...blob.descriptor, offset: 0 }, () => chunksOf(blob.bytes, 1 << 20));
          expect((await stored(store, blob)).equals(blob.bytes)).toBe(true);
          expect(client.waitedAt?.()).toBeGreaterThan(0);
        }),
      ),
    );
    expect(ms).toBeGreaterThanOrEqual(leastMs(1_400_000));
  });
});

function get(
  { url, token }: TestAgent,
  { descriptor: { digest } }: TestBlob,
  headers: Record<string, string>,
): Promise<number | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
  const path = `/v1/blobs/${digest}`;
  request(new URL(path, url), { headers: { ...headers, authorization: `Bearer ${token}` } }, (response) => {
    response.resume().on('end', () => resolve(response.statusCode));
  })
    .on('error', reject)
    .end();
  return promise;
}
