import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ImportEvent } from '../../src/agent-api/events.ts';
import { createMemoryStore } from '../../src/store/memory/memory-store.ts';
import { chunksOf, imageOf, randomBlob } from '../support/blobs.ts';
import { type Cluster, head, makeCluster, startPeer, stored } from './fetch-nodes.ts';
import { ask } from './http.ts';

const mib = 1024 * 1024;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await makeCluster();
});
afterAll(() => cluster[Symbol.asyncDispose]());

describe('an agent that is told to fetch a blob', () => {
  it('gets it from a peer, verified, with the token of the cluster', async () => {
    const blob = randomBlob(300_000);
    const store = createMemoryStore();
    await using peer = await cluster.node([blob]);
    await using agent = await cluster.node([], { store });
    const target = await agent.client.openImport({});

    const result = await target.fetch(blob.descriptor, [peer.url.origin]);

    expect(result).toEqual({ received: 300_000, from: [{ url: peer.url.origin, bytes: 300_000 }] });
    expect((await stored(store, blob)).equals(blob.bytes)).toBe(true);
    expect((await agent.client.describe()).features).toContain('fetch');
    expect((await ask(agent, '/metrics')).text).toContain('imgctl_peer_received_bytes_total 300000');
  });

  it('gets a large one from several, each with a part, and its events tell how far it is', async () => {
    const image = imageOf([randomBytes(40 * mib)]);
    const [layer] = image.layers;
    if (layer === undefined) throw new Error('no layer');
    const peers = [await cluster.node([layer]), await cluster.node([layer]), await cluster.node([layer])];
    const platforms = [{ os: 'linux', architecture: 'amd64' }];
    await using agent = await cluster.node([], { store: createMemoryStore({ platforms }) });
    const documents = [image.manifest, image.config].map(({ descriptor, bytes }) => ({
      descriptor,
      data: Buffer.from(bytes).toString('base64'),
    }));
    const target = await agent.client.openImport({
      images: [{ name: 'app:1', target: image.target }],
      documents,
    });
    const events: Promise<ImportEvent[]> = Array.fromAsync(target.events());

    // The import knows its size
    const { received, from } = await target.fetch(
      { digest: layer.descriptor.digest },
      peers.map(({ url }) => url.origin),
    );

    expect(received).toBeGreaterThanOrEqual(layer.descriptor.size);
    expect(received).toBeLessThan(1.3 * layer.descriptor.size);
    for (const { bytes, error } of from) {
      expect(bytes).toBeGreaterThan(mib);
      expect(error).toBeUndefined();
    }
    const told = await events;
    expect(told.at(-1)).toMatchObject({ type: 'done', images: [{ state: 'ready' }] });
    const { digest, size } = layer.descriptor;
    expect(told).toContainEqual({ type: 'blob', digest, offset: size, size });
    const ended = () => agent.log.find((line) => line.includes('import ended'));
    await expect.poll(ended).toContain(`"bytesFromPeers":${received}`);
    for (const peer of peers) await peer[Symbol.asyncDispose]();
  });

  it('answers at once where it has the blob, and asks nobody', async () => {
    const blob = randomBlob(1000);
    await using agent = await cluster.node([blob]);
    await using peer = await startPeer(1000, (response) => void response.end());
    const target = await agent.client.openImport({});

    expect(await target.fetch(blob.descriptor, [peer.url])).toEqual({
      received: 0,
      from: [{ url: peer.url, bytes: 0 }],
    });
    expect(peer.asked).toEqual([]);
  });

  it('goes on from what a broken-off transfer left', async () => {
    const blob = randomBlob(3 * mib);
    const store = createMemoryStore();
    await using peer = await cluster.node([blob]);
    await using agent = await cluster.node([], { store });
    const target = await agent.client.openImport({});
    const { digest, size } = blob.descriptor;
    const leave = new AbortController();
    async function* half() {
      yield* chunksOf(blob.bytes.subarray(0, 2 * mib), 64 * 1024);
      setTimeout(() => leave.abort(), 200);
      await delay(5_000, undefined, { signal: leave.signal }).catch(() => undefined);
    }
    await target.put({ digest, offset: 0, size }, half, leave.signal).catch(() => undefined);

    const { received } = await target.fetch(blob.descriptor, [peer.url.origin]);

    expect(received).toBeLessThan(1.1 * mib);
    expect((await stored(store, blob)).equals(blob.bytes)).toBe(true);
  });

  it('asks for a blob once that two imports want', async () => {
    const blob = randomBlob(8 * mib);
    await using peer = await cluster.node([blob]);
    await using agent = await cluster.node();
    const imports = [await agent.client.openImport({}), await agent.client.openImport({})];

    const results = await Promise.all(
      imports.map((target) => target.fetch(blob.descriptor, [peer.url.origin])),
    );

    expect(results.map(({ received }) => received).sort()).toEqual([0, 8 * mib]);
  });

  it('fetches many blobs at once within one window', async () => {
    const blobs = Array.from({ length: 12 }, () => randomBlob(3 * mib));
    const store = createMemoryStore();
    await using one = await cluster.node(blobs);
    await using two = await cluster.node(blobs);
    await using agent = await cluster.node([], { store });
    const target = await agent.client.openImport({});

    const from = [one.url.origin, two.url.origin];
    await Promise.all(blobs.map(({ descriptor }) => target.fetch(descriptor, from)));

    for (const blob of blobs) expect((await stored(store, blob)).equals(blob.bytes)).toBe(true);
  });

  it('stops when the one who asked goes away, and keeps what arrived', async () => {
    const blob = randomBlob(6 * mib);
    await using peer = await startPeer(6 * mib, async (response, asked) => {
      head(response, asked, 6 * mib);
      for await (const chunk of chunksOf(blob.bytes.subarray(asked.start, asked.end), 64 * 1024)) {
        if (response.destroyed) return;
        response.write(chunk);
        await delay(20);
      }
      response.end();
    });
    await using agent = await cluster.node();
    const target = await agent.client.openImport({});
    const leave = new AbortController();
    const fetching = target.fetch(blob.descriptor, [peer.url], leave.signal);
    setTimeout(() => leave.abort(), 700);
    await expect(fetching).rejects.toMatchObject({ code: 'interrupted' });

    await using whole = await cluster.node([blob]);
    const { received } = await target.fetch(blob.descriptor, [whole.url.origin]);
    expect(received).toBeLessThan(6 * mib);
  });

  it.each([
    'ftp://127.0.0.1:1',
    'http://127.0.0.1:1/v1',
    'http://user:secret@127.0.0.1:1',
    'http://127.0.0.1',
  ])('asks nobody where one is not http[s]://host:port: %s', async (url) => {
    const blob = randomBlob(1000);
    await using peer = await startPeer(1000, (response) => void response.end());
    await using agent = await cluster.node();
    const target = await agent.client.openImport({});

    await expect(target.fetch(blob.descriptor, [peer.url, url])).rejects.toMatchObject({
      code: 'request_invalid',
    });
    expect(peer.asked).toEqual([]);
  });

  it('wants the token, an import, a size and peers for it', async () => {
    const { digest } = randomBlob(10).descriptor;
    await using agent = await cluster.node();
    const target = await agent.client.openImport({});
    const path = `/v1/imports/${target.id}/blobs/${digest}/fetch`;
    const post = (at: string, body: string, headers = { authorization: `Bearer ${agent.token}` }) =>
      ask(agent, at, { method: 'POST', body, headers });

    const from = ['http://127.0.0.1:1'];
    expect(
      (await post(path, JSON.stringify({ from }), { authorization: 'Bearer wrong-wrong-wrong' })).status,
    ).toBe(401);
    expect((await post(path.replace(target.id, 'x'), JSON.stringify({ from, size: 1 }))).code).toBe(
      'import_gone',
    );
    expect((await post(path, JSON.stringify({ from }))).code).toBe('request_invalid');
    expect((await post(path, JSON.stringify({ from: [], size: 1 }))).code).toBe('request_invalid');
    const crowd = Array<string>(1001).fill('http://127.0.0.1:1');
    expect((await post(path, JSON.stringify({ from: crowd, size: 1 }))).code).toBe('request_invalid');
  });
});
