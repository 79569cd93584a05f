import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeTestAuthority, type TestAuthority } from '../support/agent-certificates.ts';
import { becomes } from '../support/becomes.ts';
import { chunksOf, randomBlob, type TestBlob } from '../support/blobs.ts';
import { slowProxy } from '../support/slow-proxy.ts';
import { ask } from './http.ts';
import { heldBy, paced, type Route, type Stop, slowStore, startRoute, starved } from './relay-route.ts';

const MiB = 1024 * 1024;

let authority: TestAuthority;
beforeAll(async () => {
  authority = await makeTestAuthority();
});
afterAll(() => authority[Symbol.asyncDispose]());

const ok = (...nodes: readonly string[]) => nodes.map((node) => ({ node, ok: true }));

/** Writes part of the blob at this stop, as a transfer that broke off leaves it. */
async function leave(stop: Stop, { bytes, descriptor: { digest, size } }: TestBlob, upTo: number) {
  const broken = async function* () {
    yield* chunksOf(bytes.subarray(0, upTo), 64 * 1024);
    await sleep(50);
    throw new Error('the sender died');
  };
  await stop.import.put({ digest, offset: 0, size }, broken).catch(() => {});
  for (let i = 0; i < 100 && stop.store.contents().partials.get(digest) !== upTo; i += 1) await sleep(10);
  expect(stop.store.contents().partials.get(digest)).toBe(upTo);
}

/** The same hop, at another address. */
function at({ hop, import: handle }: Stop, port: number) {
  return { import: handle, hop: { ...hop, url: `http://127.0.0.1:${port}` } };
}

describe.each(['HTTP', 'HTTPS'])('a blob along a route over %s', (protocol) => {
  const options = () => (protocol === 'HTTPS' ? { authority } : {});

  it('comes to every node of five, and is sent once', async () => {
    await using route = await startRoute(5, options());
    const blob = randomBlob(3 * MiB + 17);

    const result = await route.send(blob);

    expect(result).toEqual({ received: blob.bytes.byteLength, relay: ok('n1', 'n2', 'n3', 'n4') });
    expect(heldBy(route.stops, blob)).toEqual(Array(5).fill('whole'));
  });

  it('begins at the lowest offset, and those that hold more discard what they have', async () => {
    await using route = await startRoute(4, options());
    const blob = randomBlob(2 * MiB);
    const [, part, whole, more] = route.stops as [Stop, Stop, Stop, Stop];
    await leave(part, blob, MiB / 2);
    await route.send(blob, { route: [whole] });
    await leave(more, blob, MiB);

    const result = await route.send(blob);

    expect(result.relay).toEqual(ok('n1', 'n2', 'n3'));
    expect(heldBy(route.stops, blob)).toEqual(Array(4).fill('whole'));
  });
});

describe('a route of which a hop', () => {
  it('holds less than the transfer begins at refuses there, and says what it holds', async () => {
    await using route = await startRoute(4);
    const blob = randomBlob(2 * MiB);
    const [first, second, third] = route.stops as [Stop, Stop, Stop, Stop];
    for (const stop of [first, second]) await leave(stop, blob, MiB);
    await leave(third, blob, MiB / 2);

    const result = await route.send(blob, { offset: MiB });

    expect(result.error).toBeUndefined();
    expect(result.relay).toMatchObject([
      { node: 'n1', ok: true },
      { node: 'n2', ok: false, offset: MiB / 2, error: { code: 'offset_mismatch' } },
      { node: 'n3', ok: false, error: { code: 'interrupted', context: { brokenAt: 'n2' } } },
    ]);
    expect(heldBy(route.stops, blob)).toEqual(['whole', 'whole', MiB / 2, 0]);

    const again = await route.send(blob, { route: [third, ...route.stops.slice(3)], offset: 0 });

    expect(again.relay).toEqual(ok('n3'));
    expect(heldBy(route.stops, blob)).toEqual(Array(4).fill('whole'));
  });

  it('is the first and holds less refuses before anything is passed on', async () => {
    await using route = await startRoute(2);
    const blob = randomBlob(MiB);
    const [first, second] = route.stops as [Stop, Stop];
    await leave(first, blob, 1000);
    await leave(second, blob, 2000);

    await expect(route.send(blob, { offset: 2000 })).rejects.toMatchObject({
      code: 'offset_mismatch',
      context: { offset: 1000, node: 'node-1' },
    });

    expect(heldBy(route.stops, blob)).toEqual([1000, 2000]);
  });

  it('does not know the import is told of, and those before it have the blob', async () => {
    await using route = await startRoute(3);
    const blob = randomBlob(MiB);
    const [first, second, third] = route.stops as [Stop, Stop, Stop];
    const wrong = { ...second, hop: { ...second.hop, import: 'nothing' } };

    const result = await route.send(blob, { route: [first, wrong, third] });

    expect(result.relay).toMatchObject([
      { node: 'n1', ok: false, error: { code: 'import_gone', context: { node: 'n1' } } },
      { node: 'n2', ok: false, error: { code: 'interrupted' } },
    ]);
    expect(heldBy(route.stops, blob)).toEqual(['whole', 0, 0]);
  });

  it.each([1, 2, 3])(
    'dies half-way at position %i leaves those before it undisturbed',
    starved,
    async (position) => {
      await using route = await startRoute(4);
      const blob = randomBlob(12 * MiB);
      const dying = route.stops[position] as Stop;
      const proxy = await slowProxy(Number(dying.agent.url.port));
      const path = route.stops.map((stop) => (stop === dying ? at(stop, proxy.port) : stop));
      void proxy.reached(6 * MiB).then(() => proxy.close());

      const result = await route.send(blob, { route: path, body: () => paced(blob.bytes, 40 * MiB) });

      expect(result.error).toBeUndefined();
      expect(result.relay.map((hop) => hop.ok)).toEqual([1, 2, 3].map((i) => i < position));
      const held = heldBy(route.stops, blob);
      expect(held.slice(0, position)).toEqual(Array(position).fill('whole'));
      // Everyone keeps what came, and is fed again from there by another route
      await sleep(50);
      const behind = route.stops.slice(position);
      const lowest = Math.min(...heldBy(behind, blob).map(Number));
      expect(lowest).toBeGreaterThan(MiB);
      const again = await route.send(blob, { route: behind, offset: lowest });
      expect(again.error).toBeUndefined();
      expect(heldBy(route.stops, blob)).toEqual(Array(4).fill('whole'));
      expect(again.received).toBe(12 * MiB - lowest);
    },
  );

  it('never reads is cut off soon, and nobody is held up', starved, async () => {
    await using route = await startRoute(3);
    const blob = randomBlob(40 * MiB);
    const [first, second, third] = route.stops as [Stop, Stop, Stop];
    await using deaf = await deafServer();
    const begun = performance.now();

    const result = await route.send(blob, { route: [first, second, at(third, deaf.port)] });

    expect(result.relay).toMatchObject([
      { node: 'n1', ok: true },
      { node: 'n2', ok: false, error: { code: 'node_stalled' } },
    ]);
    expect(heldBy(route.stops, blob)).toEqual(['whole', 'whole', 0]);
    expect(performance.now() - begun).toBeLessThan(15_000);
  });

  it('takes everything and never answers is cut off when it gives no sign of work', async () => {
    await using route = await startRoute(3, { limits: { peerStallMs: 600 } });
    const blob = randomBlob(MiB);
    const [first, second, third] = route.stops as [Stop, Stop, Stop];
    await using deaf = await deafServer();

    const result = await route.send(blob, { route: [first, at(second, deaf.port), third] });

    expect(result.relay).toMatchObject([
      { node: 'n1', ok: false, error: { code: 'node_stalled' } },
      { node: 'n2', ok: false, error: { code: 'interrupted', context: { reason: 'node_stalled' } } },
    ]);
    expect(heldBy(route.stops, blob)).toEqual(['whole', 0, 0]);
  });

  it('works long on the last bytes is waited for', async () => {
    const slow = slowStore(3 * MiB, MiB / 2);
    await using route = await startRoute(3, {
      limits: { peerStallMs: 600 },
      faults: (stop) => (stop === 2 ? slow : {}),
    });
    const blob = randomBlob(6 * MiB);

    expect((await route.send(blob)).relay).toEqual(ok('n1', 'n2'));
  });

  it('has a slow store does not slow those behind it, and says how much it kept', starved, async () => {
    const slow = slowStore(MiB / 2);
    await using route = await startRoute(3, { faults: (stop) => (stop === 1 ? slow : {}) });
    const blob = randomBlob(48 * MiB);
    const begun = performance.now();

    const result = await route.send(blob);

    // At its own pace it would have taken more than a minute
    expect(performance.now() - begun).toBeLessThan(30_000);
    expect(result.error).toBeUndefined();
    expect(result.relay).toMatchObject([
      { node: 'n1', ok: false, error: { code: 'node_stalled' } },
      { node: 'n2', ok: true },
    ]);
    const [first, held, third] = heldBy(route.stops, blob);
    expect([first, third]).toEqual(['whole', 'whole']);
    expect(result.relay[0]?.offset).toBe(held);
    expect(held).toBeGreaterThan(0);
  });

  it('has a store that fails passes on all the same', async () => {
    const full = {
      write: (_: unknown, offset: number) => {
        if (offset > MiB) throw new Error('the disk is gone');
      },
    };
    await using route = await startRoute(3, { faults: (stop) => (stop < 2 ? full : {}) });
    const blob = randomBlob(4 * MiB);

    const result = await route.send(blob);

    expect(result.error?.message).toContain('the disk is gone');
    expect(result.relay).toMatchObject([
      { node: 'n1', ok: false },
      { node: 'n2', ok: true },
    ]);
    const [first, second, third] = heldBy(route.stops, blob);
    expect([result.offset, result.relay[0]?.offset]).toEqual([first, second]);
    expect(third).toBe('whole');
  });

  it('answers for itself but not for those behind it is not believed about them', async () => {
    await using route = await startRoute(3);
    const blob = randomBlob(1000);
    const [first, second, third] = route.stops as [Stop, Stop, Stop];
    await using liar = await lyingServer({ received: 1000, relay: [{ node: 'somebody', ok: true }] });

    const result = await route.send(blob, { route: [first, at(second, liar.port), third] });

    expect(result.relay).toMatchObject([
      { node: 'n1', ok: true },
      { node: 'n2', ok: false, error: { code: 'node_protocol' } },
    ]);
  });
});

describe('what a sender does', () => {
  it('that sends other bytes than the digest says is noticed by every node', async () => {
    await using route = await startRoute(3);
    const blob = randomBlob(MiB);
    const other = randomBlob(MiB);

    const result = await route.send(blob, { body: () => chunksOf(other.bytes, 64 * 1024) });

    expect(result).toMatchObject({
      error: { code: 'digest_mismatch' },
      relay: [
        { node: 'n1', ok: false, error: { code: 'digest_mismatch' } },
        { node: 'n2', ok: false, error: { code: 'digest_mismatch' } },
      ],
    });
    expect(heldBy(route.stops, blob)).toEqual([0, 0, 0]);
  });

  it('that leaves in the middle leaves every node with what it has', async () => {
    await using route = await startRoute(3);
    const blob = randomBlob(4 * MiB);
    const leaving = new AbortController();
    const body = async function* () {
      yield* chunksOf(blob.bytes.subarray(0, 2 * MiB), 64 * 1024);
      await becomes(
        () => heldBy(route.stops, blob),
        (held) => held.every((bytes) => bytes === 2 * MiB),
      );
      leaving.abort();
      await sleep(10_000);
    };

    await expect(route.send(blob, { body, signal: leaving.signal })).rejects.toMatchObject({
      code: 'interrupted',
    });

    expect(heldBy(route.stops, blob)).toEqual(Array(3).fill(2 * MiB));
    expect((await route.send(blob, { offset: 2 * MiB })).relay).toEqual(ok('n1', 'n2'));
    await expectQuiet(route);
  });

  it('that sends two blobs by opposite routes at once, and each node ends with both once', async () => {
    await using route = await startRoute(3);
    const blob = randomBlob(12 * MiB);
    const there = route.send(blob, { body: () => paced(blob.bytes, 20 * MiB) });
    const others = await Promise.all(
      route.stops.map(async (stop) => {
        const handle = await stop.agent.client.openImport({});
        return { import: handle, hop: { ...stop.hop, import: handle.id } };
      }),
    );
    const back = route.send(blob, {
      route: others.reverse(),
      body: () => paced(blob.bytes, 15 * MiB),
    });

    const [one, two] = await Promise.all([there, back]);

    expect([one.error, two.error]).toEqual([undefined, undefined]);
    expect(one.relay).toEqual(ok('n1', 'n2'));
    expect(two.relay).toEqual(ok('n1', 'n0'));
    expect(heldBy(route.stops, blob)).toEqual(Array(3).fill('whole'));
    await expectQuiet(route);
  });

  it('that writes a route which is none is refused', async () => {
    await using route = await startRoute(1);
    const [{ agent, import: handle, hop }] = route.stops as [Stop];
    const blob = randomBlob(100);
    const send = (header: string) =>
      ask(agent, `/v1/imports/${handle.id}/blobs/${blob.descriptor.digest}`, {
        method: 'PUT',
        headers: { authorization: `Bearer ${agent.token}`, 'imgctl-relay': header },
        body: blob.bytes,
      });
    const many = Array.from({ length: 65 }, (_, i) => ({ ...hop, import: `i${i}` }));
    const garbage = [
      'yes',
      '{}',
      '[1]',
      '[{"node":"a","url":"http://a:1"}]',
      '[{"node":"","url":"http://a:1","import":"x"}]',
      JSON.stringify([{ ...hop, url: 'file:///etc/passwd' }]),
      JSON.stringify([{ ...hop, url: 'http://127.0.0.1:1/path' }]),
      JSON.stringify([hop, hop]),
      JSON.stringify(many),
      JSON.stringify([{ ...hop, node: 'n'.repeat(13_000) }]),
    ];

    for (const header of garbage) {
      expect(await send(header), header.slice(0, 80)).toMatchObject({ status: 400, code: 'request_invalid' });
    }
    expect(heldBy(route.stops, blob)).toEqual([0]);
  });
});

describe('an agent that has the blob already', () => {
  it('at the end of a route answers at once', async () => {
    await using route = await startRoute(2);
    const blob = randomBlob(64 * MiB);
    const [, last] = route.stops as [Stop, Stop];
    await route.send(blob, { route: [last] });

    const { relay } = await route.send(blob);

    expect(relay).toEqual(ok('n1'));
    expect(heldBy(route.stops, blob)).toEqual(['whole', 'whole']);
  });

  it('in the middle spares those before it from sending more', async () => {
    await using route = await startRoute(3);
    const blob = randomBlob(16 * MiB);
    const [, middle] = route.stops as [Stop, Stop, Stop];
    await route.send(blob, { route: [middle] });
    const proxy = await slowProxy(Number(middle.agent.url.port));
    const [first, , last] = route.stops as [Stop, Stop, Stop];

    const result = await route.send(blob, {
      route: [first, at(middle, proxy.port), last],
      body: () => paced(blob.bytes, 40 * MiB),
    });

    expect(result).toEqual({ received: 16 * MiB, relay: ok('n1', 'n2') });
    expect(proxy.passed).toBeLessThan(8 * MiB);
    await proxy.close();
  });

  it('feeds those behind it from its own store, without waiting for the sender', async () => {
    await using route = await startRoute(3);
    const blob = randomBlob(16 * MiB);
    const [first] = route.stops as [Stop, Stop, Stop];
    await route.send(blob, { route: [first] });
    const result = await route.send(blob, { body: () => paced(blob.bytes, 40 * MiB) });

    expect(result.relay).toEqual(ok('n1', 'n2'));
    expect(result.received).toBeLessThan(4 * MiB);
    expect(heldBy(route.stops, blob)).toEqual(Array(3).fill('whole'));
  });
});

/** Nothing is under way any more, at any stop. */
async function expectQuiet({ stops }: Route): Promise<void> {
  await sleep(300);
  for (const { agent, import: handle } of stops) {
    await handle.leave();
    await agent.stop();
    const stopping = agent.log.find((line) => line.includes('"stopping"'));
    expect(stopping).toContain('"transfers":0');
  }
}

/** A server whose sockets take what the kernel buffers, and nothing more. */
async function deafServer() {
  const sockets = new Set<Socket>();
  const server = createServer({ pauseOnConnect: true }, (socket) => void sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A server that reads every request and gives this answer. */
async function lyingServer(answer: unknown) {
  const server = createHttpServer((request, response) => {
    request.resume().on('end', () => {
      response.setHeader('content-type', 'application/json').end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
