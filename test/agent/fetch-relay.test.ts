import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RelayHop } from '../../src/agent-api/relay.ts';
import type { FetchResult } from '../../src/agent-api/schemas.ts';
import { makeTestAuthority, type TestAuthority } from '../support/agent-certificates.ts';
import { becomes } from '../support/becomes.ts';
import { chunksOf, randomBlob, type TestBlob } from '../support/blobs.ts';
import { slowProxy } from '../support/slow-proxy.ts';
import { type FalsePeer, head, startPeer } from './fetch-nodes.ts';
import { ask } from './http.ts';
import { heldBy, type Stop, slowStore, startRoute } from './relay-route.ts';

const MiB = 1024 * 1024;

let authority: TestAuthority;
let stranger: TestAuthority;
beforeAll(async () => {
  authority = await makeTestAuthority();
  stranger = await makeTestAuthority('a stranger');
});
afterAll(async () => {
  await authority[Symbol.asyncDispose]();
  await stranger[Symbol.asyncDispose]();
});

const ok = (...nodes: readonly string[]) => nodes.map((node) => ({ node, ok: true }));

/** The first stop is told to fetch the blob at `from`, and to pass it on to the others. */
function fetchAlong(
  { descriptor: { digest, size } }: TestBlob,
  from: readonly string[],
  stops: readonly Pick<Stop, 'import' | 'hop'>[],
  offset = 0,
): Promise<FetchResult> {
  const [first, ...behind] = stops;
  if (first === undefined) throw new Error('no route');
  const relay = behind.map(({ hop }) => hop);
  return first.import.fetch({ digest, size }, from, undefined, { relay, offset });
}

/** It has the blob, and its import has ended. */
async function hold(stop: Stop, { descriptor: { digest, size }, bytes }: TestBlob): Promise<string> {
  await stop.import.put({ digest, offset: 0, size }, () => chunksOf(bytes, MiB));
  await stop.import.leave();
  return stop.agent.url.origin;
}

/** Something that serves the blob at this pace, until it dies. */
function servePaced({ bytes }: TestBlob, perSecond: number): Promise<FalsePeer> {
  const piece = 64 * 1024;
  return startPeer(bytes.byteLength, async (response, asked) => {
    head(response, asked, bytes.byteLength);
    for await (const chunk of chunksOf(bytes.subarray(asked.start, asked.end), piece)) {
      if (response.destroyed) return;
      response.write(chunk);
      await sleep((piece / perSecond) * 1000);
    }
    response.end();
  });
}

describe.each(['HTTP', 'HTTPS'])(
  'a blob that a node fetches and passes on while it comes, over %s',
  (protocol) => {
    const options = () => (protocol === 'HTTPS' ? { authority } : {});

    it('comes to every node of the route, and leaves the one that has it once', async () => {
      await using route = await startRoute(6, options());
      const blob = randomBlob(5 * MiB + 17);
      const size = blob.bytes.byteLength;
      const [holder, ...stops] = route.stops as [Stop, ...Stop[]];
      const url = await hold(holder, blob);

      const result = await fetchAlong(blob, [url], stops);

      expect(result).toEqual({
        received: size,
        relay: ok('n2', 'n3', 'n4', 'n5'),
        from: [{ url, bytes: size }],
      });
      expect(heldBy(route.stops, blob)).toEqual(Array(6).fill('whole'));
      const fetched = (stop: Stop) =>
        ask(stop.agent, '/metrics').then(
          ({ text }) => /imgctl_peer_received_bytes_total (\d+)/.exec(text)?.[1],
        );
      if (protocol === 'HTTP')
        expect(await Promise.all(stops.map(fetched))).toEqual([`${size}`, '0', '0', '0', '0']);
      await stops[0]?.import.leave();
      await expect
        .poll(() => stops[0]?.agent.log.find((line) => line.includes('import ended')))
        .toContain(`"bytesFromPeers":${size}`);
    });
  },
);

describe('a node that is told to fetch a blob and to pass it on', () => {
  it('says that it can', async () => {
    await using route = await startRoute(1);
    expect((await route.stops[0]?.agent.client.describe())?.features).toContain('fetch-relay');
  });

  it('goes on from what all of them hold', async () => {
    await using route = await startRoute(3);
    const blob = randomBlob(4 * MiB);
    const [holder, ...stops] = route.stops as [Stop, Stop, Stop];
    await using dying = await servePaced(blob, 8 * MiB);
    setTimeout(() => dying.die(), 350);
    const broken = await fetchAlong(blob, [dying.url], stops);
    const lowest = await becomes(
      () => Math.min(...heldBy(stops, blob).map(Number)),
      (held) => held > MiB,
    );

    expect(broken).toMatchObject({
      error: {
        code: 'node_unreachable',
        context: { phase: 'fetch', peers: [expect.stringContaining(dying.url)] },
      },
      relay: [{ node: 'n2', ok: false, error: { code: 'interrupted' } }],
    });
    expect(broken.offset).toBe(heldBy(stops, blob)[0]);

    const { received, relay } = await fetchAlong(blob, [await hold(holder, blob)], stops, lowest);

    expect([received, relay]).toEqual([4 * MiB - lowest, ok('n2')]);
    expect(heldBy(stops, blob)).toEqual(['whole', 'whole']);
  });

  it('goes on with the next peer where one breaks off, and those behind it do not notice', async () => {
    await using route = await startRoute(4);
    const blob = randomBlob(4 * MiB);
    const [holder, ...stops] = route.stops as [Stop, ...Stop[]];
    const url = await hold(holder, blob);
    await using dying = await servePaced(blob, 8 * MiB);
    setTimeout(() => dying.die(), 250);

    const result = await fetchAlong(blob, [dying.url, url], stops);

    expect(result).toMatchObject({ received: 4 * MiB, relay: ok('n2', 'n3') });
    expect(result.from).toMatchObject([
      { error: { code: 'node_unreachable' } },
      { bytes: expect.any(Number) },
    ]);
    expect(result.from[1]?.bytes).toBeLessThan(4 * MiB);
  });

  it('finds that a peer serves other bytes, and so does everyone behind it', async () => {
    await using route = await startRoute(3);
    const blob = randomBlob(MiB);
    await using wrong = await startPeer(MiB, (response, asked) => {
      head(response, asked, MiB);
      response.end(randomBytes(asked.end - asked.start));
    });

    const result = await fetchAlong(blob, [wrong.url], route.stops);

    expect(result).toMatchObject({
      error: {
        code: 'digest_mismatch',
        context: { phase: 'fetch', peers: [expect.stringContaining(wrong.url)] },
      },
      relay: [
        { node: 'n1', ok: false, error: { code: 'digest_mismatch' } },
        { node: 'n2', ok: false, error: { code: 'digest_mismatch' } },
      ],
    });
    expect(heldBy(route.stops, blob)).toEqual([0, 0, 0]);
  });

  it.each<[string, string, (url: string) => string | Promise<string>]>([
    ['does not have it', 'blob_unknown', (url) => url],
    ['is not there', 'node_unreachable', () => 'http://127.0.0.1:1'],
  ])('says so where the peer %s', async (_, code, urlOf) => {
    await using route = await startRoute(3);
    const blob = randomBlob(1000);
    const [other, ...stops] = route.stops as [Stop, Stop, Stop];

    const result = await fetchAlong(blob, [await urlOf(other.agent.url.origin)], stops);

    expect(result).toMatchObject({
      error: { code, context: { phase: 'fetch' } },
      relay: [{ node: 'n2', ok: false, error: { code: 'interrupted' } }],
    });
  });

  it('gives up a peer that sends nothing', async () => {
    await using route = await startRoute(2, { limits: { peerStallMs: 500 } });
    const blob = randomBlob(MiB);
    await using mute = await startPeer(MiB, () => {});

    expect(await fetchAlong(blob, [mute.url], route.stops)).toMatchObject({
      error: { code: 'node_stalled', context: { phase: 'fetch' } },
      relay: [{ node: 'n1', ok: false }],
    });
  });

  it('does not blame the peer for a node behind it that takes its time', async () => {
    await using route = await startRoute(3, {
      limits: { peerStallMs: 700, relayPatienceMs: 60_000 },
      faults: (stop) => (stop === 2 ? slowStore(4 * MiB) : {}),
    });
    const blob = randomBlob(24 * MiB);
    const [holder, ...stops] = route.stops as [Stop, Stop, Stop];

    const result = await fetchAlong(blob, [await hold(holder, blob)], stops);

    expect(result).toMatchObject({ received: 24 * MiB, relay: ok('n2') });
  });

  it.each([1, 2])('has those before it undisturbed when the node at position %i dies', async (position) => {
    await using route = await startRoute(4);
    const blob = randomBlob(8 * MiB);
    const [, ...all] = route.stops as [Stop, ...Stop[]];
    await using peer = await servePaced(blob, 8 * MiB);
    const dying = all[position] as Stop;
    const proxy = await slowProxy(Number(dying.agent.url.port));
    const url = `http://127.0.0.1:${proxy.port}`;
    const stops = all.map((stop) => (stop === dying ? { ...stop, hop: { ...stop.hop, url } } : stop));
    void proxy.reached(3 * MiB).then(() => proxy.close());

    const result = await fetchAlong(blob, [peer.url], stops);

    expect(result.error).toBeUndefined();
    expect(result.relay?.map((hop) => hop.ok)).toEqual([1, 2].map((i) => i < position));
    expect(heldBy(all, blob).slice(0, position)).toEqual(Array(position).fill('whole'));
  });

  it('feeds the others from its own store where it has the blob already', async () => {
    await using route = await startRoute(3);
    const blob = randomBlob(16 * MiB);
    const [first] = route.stops as [Stop];
    await first.import.put({ ...blob.descriptor, offset: 0 }, () => chunksOf(blob.bytes, MiB));
    await using slow = await servePaced(blob, MiB);

    const { received, relay } = await fetchAlong(blob, [slow.url], route.stops);

    expect(relay).toEqual(ok('n1', 'n2'));
    expect(received).toBeLessThan(4 * MiB);
  });

  it('refuses where it holds less than they begin at, before anybody is asked', async () => {
    await using route = await startRoute(2);
    const blob = randomBlob(MiB);
    await using peer = await startPeer(MiB, (response) => void response.end());
    const [{ import: first }] = route.stops as [Stop];
    const broken = async function* () {
      yield blob.bytes.subarray(0, 1000);
      await sleep(50);
      throw new Error('the sender died');
    };
    await first.put({ ...blob.descriptor, offset: 0 }, broken).catch(() => {});
    await expect(fetchAlong(blob, [peer.url], route.stops, 5000)).rejects.toMatchObject({
      code: 'offset_mismatch',
      context: { offset: 1000 },
    });
    expect(peer.asked).toEqual([]);
  });

  it('asks nobody where the route or an address is none', async () => {
    await using route = await startRoute(2);
    const [{ agent, import: handle }, { hop }] = route.stops as [Stop, Stop];
    const blob = randomBlob(1000);
    await using peer = await startPeer(1000, (response) => void response.end());
    const many = Array.from({ length: 65 }, (_, i) => ({ ...hop, import: `i${i}` }));
    const long = Array.from({ length: 50 }, (_, i) => ({ ...hop, node: 'n'.repeat(250), import: `i${i}` }));
    const post = (body: { readonly relay: readonly RelayHop[]; readonly [key: string]: unknown }) =>
      ask(agent, `/v1/imports/${handle.id}/blobs/${blob.descriptor.digest}/fetch`, {
        method: 'POST',
        headers: { authorization: `Bearer ${agent.token}` },
        body: JSON.stringify({ from: [peer.url], size: 1000, ...body }),
      });

    for (const body of [
      { relay: many },
      { relay: long },
      { relay: [hop, hop] },
      { relay: [{ ...hop, url: 'http://127.0.0.1:1/path' }] },
      { relay: [{ ...hop, url: 'file:///etc/passwd' }] },
      { relay: [hop], from: ['http://user:secret@127.0.0.1:1'] },
      { relay: [hop], from: [peer.url, 'http://127.0.0.1:1/v1'] },
      { relay: [hop], size: undefined },
      { relay: [hop], offset: 1001 },
    ])
      expect(await post(body), JSON.stringify(body).slice(0, 90)).toMatchObject({
        status: 400,
        code: 'request_invalid',
      });

    expect(peer.asked).toEqual([]);
    expect(heldBy(route.stops, blob)).toEqual([0, 0]);
  });

  it('shows its token to nobody that its authority does not vouch for', async () => {
    await using route = await startRoute(2, { authority });
    await using others = await startRoute(1, { authority: stranger });
    const blob = randomBlob(1000);
    const [strange] = others.stops as [Stop];
    await using plain = await startPeer(1000, (response) => void response.end());

    expect(await fetchAlong(blob, [await hold(strange, blob)], route.stops)).toMatchObject({
      error: { code: 'node_untrusted', context: { phase: 'fetch' } },
    });
    await expect(fetchAlong(blob, [plain.url], route.stops)).rejects.toMatchObject({
      code: 'request_invalid',
    });
    expect(plain.asked).toEqual([]);
    expect(heldBy(route.stops, blob)).toEqual([0, 0]);
  });

  it('is done with it when the one who asked goes away', async () => {
    await using route = await startRoute(2);
    const blob = randomBlob(8 * MiB);
    await using slow = await servePaced(blob, 4 * MiB);
    const [first, second] = route.stops as [Stop, Stop];
    const leaving = new AbortController();
    setTimeout(() => leaving.abort(), 400);

    const { digest, size } = blob.descriptor;
    const along = { relay: [second.hop], offset: 0 };
    await expect(
      first.import.fetch({ digest, size }, [slow.url], leaving.signal, along),
    ).rejects.toMatchObject({ code: 'interrupted' });

    await sleep(300);
    for (const { agent, import: handle } of route.stops) {
      await handle.leave();
      await agent.stop();
      expect(agent.log.find((line) => line.includes('"stopping"'))).toContain('"transfers":0');
    }
    for (const held of heldBy(route.stops, blob)) expect(held).toBeGreaterThan(0);
  });
});
