import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { framesOf } from '../../src/streams/frames-of.ts';
import { frameBytes, storedFrame } from '../../src/streams/zstd-frames.ts';
import { makeTestAuthority, type TestAuthority } from '../support/agent-certificates.ts';
import { becomes } from '../support/becomes.ts';
import { blobOf, bytesOf, chunksOf, type TestBlob } from '../support/blobs.ts';
import { slowProxy } from '../support/slow-proxy.ts';
import { ask } from './http.ts';
import { heldBy, paced, type Stop, startRoute } from './relay-route.ts';

const MiB = 1024 * 1024;
const encoding = 'zstd';
let made = 0;

let authority: TestAuthority;
beforeAll(async () => {
  authority = await makeTestAuthority();
});
afterAll(() => authority[Symbol.asyncDispose]());

/** A blob of so many bytes that compresses well, and that no other test has. */
function textBlob(size: number): TestBlob {
  made += 1;
  const lines = Array.from(
    { length: Math.ceil(size / 20) },
    (_, i) => `${made} ${i * i} is what this line says\n`,
  );
  return blobOf(Buffer.from(lines.join('')).subarray(0, size));
}

const ok = (...nodes: readonly string[]) => nodes.map((node) => ({ node, ok: true }));
const through = ({ hop, import: handle }: Stop, port: number) => ({
  import: handle,
  hop: { ...hop, url: `http://127.0.0.1:${port}` },
});

describe.each(['HTTP', 'HTTPS'])('a compressed blob over %s', (protocol) => {
  const options = () => (protocol === 'HTTPS' ? { authority } : {});

  it('is undone for each store of a route', async () => {
    await using route = await startRoute(3, options());
    const blob = textBlob(5 * MiB + 17);

    const result = await route.send(blob, { encoding });

    expect(result).toEqual({ received: blob.bytes.byteLength, relay: ok('n1', 'n2') });
    expect(heldBy(route.stops, blob)).toEqual(Array(3).fill('whole'));
  });

  it('goes on from the offset that a node holds', async () => {
    await using route = await startRoute(2, options());
    const blob = textBlob(3 * MiB);
    const broken = async function* () {
      yield* framesOf(chunksOf(blob.bytes.subarray(0, MiB), 64 * 1024));
      await becomes(
        () => heldBy(route.stops, blob),
        (held) => held.every((bytes) => bytes === MiB),
      );
      throw new Error('the sender died');
    };
    await expect(route.send(blob, { encoding, body: broken })).rejects.toThrow('the sender died');
    expect(heldBy(route.stops, blob)).toEqual([MiB, MiB]);

    // The first discards what it has
    const result = await route.send(blob, { encoding, offset: MiB / 2 + 1 });

    expect(result).toEqual({ received: 2.5 * MiB - 1, relay: ok('n1') });
    expect(heldBy(route.stops, blob)).toEqual(['whole', 'whole']);
  });
});

describe('a compressed blob', () => {
  it('goes over each link of a route as it came', async () => {
    await using route = await startRoute(3);
    const blob = textBlob(8 * MiB);
    const [first, second, third] = route.stops as [Stop, Stop, Stop];
    const [one, two] = [
      await slowProxy(Number(second.agent.url.port)),
      await slowProxy(Number(third.agent.url.port)),
    ];

    const result = await route.send(blob, {
      encoding,
      route: [first, through(second, one.port), through(third, two.port)],
    });

    expect(result.relay).toEqual(ok('n1', 'n2'));
    for (const link of [one, two]) expect(link.passed).toBeLessThan(0.6 * blob.bytes.byteLength);
    await Promise.all([one.close(), two.close()]);
  });

  it('comes to the others when a hop is cut off, which then is fed from what it holds', async () => {
    await using route = await startRoute(3);
    const blob = textBlob(12 * MiB);
    const [first, second, third] = route.stops as [Stop, Stop, Stop];
    const proxy = await slowProxy(Number(second.agent.url.port));
    void proxy.reached(MiB).then(() => proxy.close());

    const result = await route.send(blob, {
      encoding,
      route: [first, through(second, proxy.port), third],
      body: () => framesOf(paced(blob.bytes, 30 * MiB)),
    });

    expect(result.error).toBeUndefined();
    expect(result.relay.map((hop) => hop.ok)).toEqual([false, false]);
    const held = await becomes(
      () => heldBy([second, third], blob).map(Number),
      (bytes) => Math.min(...bytes) > 0,
    );
    const again = await route.send(blob, { encoding, route: [second, third], offset: Math.min(...held) });
    expect(again.relay).toEqual(ok('n2'));
    expect(heldBy(route.stops, blob)).toEqual(Array(3).fill('whole'));
  });

  it('is fed on from the store of a node that has it already', async () => {
    await using route = await startRoute(3);
    const blob = textBlob(16 * MiB);
    const [first] = route.stops as [Stop, Stop, Stop];
    await route.send(blob, { route: [first] });

    const result = await route.send(blob, { encoding, body: () => framesOf(paced(blob.bytes, 40 * MiB)) });

    expect(result.relay).toEqual(ok('n1', 'n2'));
    expect(result.received).toBeLessThan(8 * MiB);
    expect(heldBy(route.stops, blob)).toEqual(Array(3).fill('whole'));
  });

  it('that is damaged is refused by each node, and what came before is kept', async () => {
    await using route = await startRoute(2);
    const blob = textBlob(2 * MiB);
    const wire = await bytesOf(framesOf(chunksOf(blob.bytes, MiB)));
    const damaged = Buffer.concat([wire.subarray(0, wire.byteLength - 30_000), Buffer.alloc(30_000)]);

    const result = await route.send(blob, { encoding, body: () => chunksOf(damaged, 64 * 1024) });

    expect(result).toMatchObject({
      error: { code: 'encoding_invalid' },
      relay: [{ ok: false, error: { code: 'encoding_invalid' } }],
    });
    const [held] = heldBy(route.stops, blob);
    expect(Number(held) % frameBytes).toBe(0);
    expect(held).toBeGreaterThan(0);
    const again = await route.send(blob, {
      encoding,
      offset: Math.min(...heldBy(route.stops, blob).map(Number)),
    });
    expect(again.relay).toEqual(ok('n1'));
  });

  it('that holds other bytes than the digest says does not count', async () => {
    await using route = await startRoute(1);
    const blob = textBlob(MiB);
    const other = textBlob(MiB);
    const body = () => framesOf(chunksOf(other.bytes, MiB));
    const [{ import: handle }] = route.stops as [Stop];
    const { digest, size } = blob.descriptor;
    await expect(
      handle.put({ digest, size, offset: 0 }, body, undefined, { encoding }),
    ).rejects.toMatchObject({ code: 'digest_mismatch' });
    expect(heldBy(route.stops, blob)).toEqual([0]);
  });

  it.each<[what: string, headers: Record<string, string>, status: number, code: string]>([
    ['does not say its length', { 'content-encoding': 'zstd' }, 400, 'request_invalid'],
    [
      'says a length that is none',
      { 'content-encoding': 'zstd', 'imgctl-length': '-1' },
      400,
      'request_invalid',
    ],
    ['is of another encoding', { 'content-encoding': 'gzip' }, 400, 'request_invalid'],
    ['says too little', { 'content-encoding': 'zstd', 'imgctl-length': '10' }, 422, 'encoding_invalid'],
    ['says too much', { 'content-encoding': 'zstd', 'imgctl-length': '2000' }, 422, 'encoding_invalid'],
  ])('that %s is refused', async (_, headers, status, code) => {
    await using route = await startRoute(1);
    const [{ agent, import: handle }] = route.stops as [Stop];
    const blob = textBlob(1000);
    const answer = await ask(agent, `/v1/imports/${handle.id}/blobs/${blob.descriptor.digest}`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${agent.token}`, ...headers },
      body: storedFrame(blob.bytes),
    });
    expect(answer).toMatchObject({ status, code });
  });
});
