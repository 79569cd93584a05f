import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMemoryStore } from '../../src/store/memory/memory-store.ts';
import { chunksOf, randomBlob, type TestBlob } from '../support/blobs.ts';
import { type Cluster, type FalsePeer, head, makeCluster, startPeer, stored } from './fetch-nodes.ts';

const mib = 1024 * 1024;

type Serve = Parameters<typeof startPeer>[1];

let cluster: Cluster;
beforeAll(async () => {
  cluster = await makeCluster();
});
afterAll(() => cluster[Symbol.asyncDispose]());

/** Serves the blob, so many bytes a second a request. */
function servePaced({ bytes }: TestBlob, perSecond: number): Promise<FalsePeer> {
  const piece = 16 * 1024;
  return startPeer(bytes.byteLength, async (response, asked) => {
    head(response, asked, bytes.byteLength);
    for await (const chunk of chunksOf(bytes.subarray(asked.start, asked.end), piece)) {
      if (response.destroyed) return;
      response.write(chunk);
      await delay((piece / perSecond) * 1000);
    }
    response.end();
  });
}

/** What becomes of a fetch from such a peer, alone and with an honest one beside it. */
async function fetchFrom(peer: FalsePeer, blob: TestBlob) {
  const store = createMemoryStore();
  await using honest = await cluster.node([blob]);
  await using agent = await cluster.node([], { store, limits: { peerStallMs: 1_000 } });
  const alone = await agent.client.openImport({});
  const failure = await alone.fetch(blob.descriptor, [peer.url]).then(
    () => undefined,
    (error) => error,
  );
  await alone.leave({ discard: true });
  const target = await agent.client.openImport({});
  const { from } = await target.fetch(blob.descriptor, [peer.url, honest.url.origin]);
  expect((await stored(store, blob)).equals(blob.bytes)).toBe(true);
  return { failure, from };
}

describe('a fetch', () => {
  it('completes from the others when a peer is killed half-way', async () => {
    const blob = randomBlob(24 * mib);
    const store = createMemoryStore();
    await using dying = await servePaced(blob, 4 * mib);
    await using other = await servePaced(blob, 4 * mib);
    await using agent = await cluster.node([], { store });
    const target = await agent.client.openImport({});
    setTimeout(() => dying.die(), 800);

    const { from } = await target.fetch(blob.descriptor, [dying.url, other.url]);

    expect((await stored(store, blob)).equals(blob.bytes)).toBe(true);
    expect(from).toMatchObject([
      { url: dying.url, bytes: expect.any(Number), error: { code: 'node_unreachable' } },
      { url: other.url, bytes: expect.any(Number) },
    ]);
    expect(from[0]?.bytes).toBeGreaterThan(mib);
    // What the dead one brought is not fetched again
    expect((from[0]?.bytes ?? 0) + (from[1]?.bytes ?? 0)).toBeLessThan(1.3 * 24 * mib);
  });

  it('keeps what arrived when its only peer is killed, and the next one goes on from there', async () => {
    const blob = randomBlob(8 * mib);
    const store = createMemoryStore();
    await using dying = await servePaced(blob, 4 * mib);
    await using agent = await cluster.node([], { store });
    await using other = await cluster.node([blob]);
    const target = await agent.client.openImport({});
    setTimeout(() => dying.die(), 600);

    await expect(target.fetch(blob.descriptor, [dying.url])).rejects.toMatchObject({
      code: 'node_unreachable',
      context: {
        phase: 'fetch',
        digest: blob.descriptor.digest,
        peers: [expect.stringContaining(dying.url)],
      },
    });
    const { received } = await target.fetch(blob.descriptor, [other.url.origin]);

    expect(received).toBeLessThan(7.5 * mib);
    expect((await stored(store, blob)).equals(blob.bytes)).toBe(true);
  });

  it('finds the one of two that serves wrong bytes', async () => {
    const blob = randomBlob(9 * mib);
    const wrong = await startPeer(9 * mib, (response, asked) => {
      head(response, asked, 9 * mib);
      response.end(randomBytes(asked.end - asked.start));
    });
    const { failure, from } = await fetchFrom(wrong, blob);

    expect(failure).toMatchObject({
      code: 'digest_mismatch',
      context: { peers: [expect.stringContaining(wrong.url)] },
    });
    expect(from).toMatchObject([
      { url: wrong.url, error: { code: 'digest_mismatch' } },
      { bytes: expect.any(Number) },
    ]);
    expect(from[1]).not.toHaveProperty('error');
    await wrong[Symbol.asyncDispose]();
  });

  it.each<[string, string, Serve]>([
    [
      'says it has fewer bytes',
      'node_protocol',
      (response) => void response.writeHead(200, { 'content-length': 5 }).end('short'),
    ],
    [
      'never ends',
      'node_protocol',
      (response) => {
        response.writeHead(200);
        const flood = setInterval(() => response.write(Buffer.alloc(mib)), 5);
        response.on('close', () => clearInterval(flood));
      },
    ],
    [
      'breaks off before the end',
      'node_unreachable',
      (response, asked) => {
        head(response, asked, 600_000);
        response.write(Buffer.alloc(1000));
        setTimeout(() => response.destroy(), 50);
      },
    ],
    ['says nothing', 'node_stalled', () => {}],
    [
      'trickles',
      'node_stalled',
      (response) => {
        response.writeHead(200, { 'content-length': 600_000 });
        const drip = setInterval(() => response.write('x'), 50);
        response.on('close', () => clearInterval(drip));
      },
    ],
    [
      'is no agent',
      'node_not_agent',
      (response) => void response.writeHead(200, { 'content-length': 2 }).end('ok'),
    ],
    [
      'sends elsewhere',
      'node_not_agent',
      (response) => void response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
    ],
    [
      'does not let it in',
      'node_untrusted',
      (response) =>
        void response
          .writeHead(401, { 'content-type': 'application/json' })
          .end('{"error":{"code":"node_unauthorized","message":"no"}}'),
    ],
  ])('does without a peer that %s', async (_, code, serve) => {
    const blob = randomBlob(600_000);
    await using peer = await startPeer(600_000, serve);

    const { failure, from } = await fetchFrom(peer, blob);

    expect(failure).toMatchObject({ code: code === 'node_not_agent' ? 'node_protocol' : code });
    expect(failure.context.peers).toEqual([expect.stringContaining(peer.url)]);
    expect(from[1]?.bytes).toBeGreaterThan(0);
  });

  it('overtakes a peer that is slow, and asks less of it', async () => {
    const blob = randomBlob(32 * mib);
    const store = createMemoryStore();
    await using slow = await servePaced(blob, mib / 8);
    await using quick = await servePaced(blob, 6 * mib);
    await using agent = await cluster.node([], { store });
    const target = await agent.client.openImport({});
    const begun = performance.now();

    const { from } = await target.fetch(blob.descriptor, [slow.url, quick.url]);

    expect((await stored(store, blob)).equals(blob.bytes)).toBe(true);
    // Twice 6 MiB/s
    expect(performance.now() - begun).toBeLessThan(2 * (32 / 12) * 1000);
    expect(from[0]?.bytes).toBeLessThan(4 * mib);
  });

  it('says that no peer has it, and asks each', async () => {
    const blob = randomBlob(1000);
    await using one = await cluster.node();
    await using two = await cluster.node();
    await using agent = await cluster.node();
    const target = await agent.client.openImport({});
    const from = [one.url.origin, two.url.origin];

    await expect(target.fetch(blob.descriptor, from)).rejects.toMatchObject({
      code: 'blob_unknown',
      context: { digest: blob.descriptor.digest, peers: from.map((url) => expect.stringContaining(url)) },
    });
    await expect(target.fetch(blob.descriptor, [...from, 'http://127.0.0.1:1'])).rejects.toMatchObject({
      code: 'node_unreachable',
      message: expect.stringContaining('127.0.0.1:1'),
    });
  });

  it('tries every peer of a long list before it gives up, many more than at once', async () => {
    const blob = randomBlob(1000);
    await using agent = await cluster.node();
    await using last = await cluster.node([blob]);
    const target = await agent.client.openImport({});
    const dead = Array.from({ length: 300 }, (_, i) => `http://127.0.0.1:${i + 1}`);

    const { from } = await target.fetch(blob.descriptor, [...dead, last.url.origin]);

    expect(from).toHaveLength(301);
    expect(from.at(-1)).toMatchObject({ bytes: 1000 });
    expect(from[0]).toMatchObject({ error: { code: 'node_unreachable' } });
  });
});
