import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { ImportHandle } from '../../src/agent-api/import-node.ts';
import { Dispatch } from '../../src/distribute/dispatch.ts';
import { digestOf } from '../../src/image/digest.ts';
import { SourceCheck } from '../../src/transfer/source-check.ts';
import { WireEncoding } from '../../src/transfer/wire-encoding.ts';
import { memorySource } from '../support/memory-source.ts';

/** What two nodes are said to have got from each other when their events tell of every blob, and no answer comes. */
async function countedByEvents(size: number): Promise<readonly number[]> {
  const blobs = Array.from({ length: 6 }, (_, i) => ({
    digest: digestOf(Buffer.from(`layer ${i}`)),
    mediaType: 'application/octet-stream',
    size,
    offset: 0,
  }));
  const source = { ...memorySource([], []), sizeOf: () => size };
  const nodes = ['a', 'b'];
  const { signal } = new AbortController();
  using dispatch = new Dispatch({
    source,
    check: new SourceCheck(source),
    wire: new WireEncoding({ source, mode: 'none', threads: 1 }),
    nodes,
    layers: blobs.map(({ digest }) => digest),
    relay: 'auto',
    signal,
  });
  const fetched = new Map<string, number>();
  for (const name of nodes) {
    const put = (...[, , stop]: Parameters<ImportHandle['put']>) =>
      new Promise<never>((_, reject) => stop?.addEventListener('abort', () => reject(stop.reason)));
    dispatch
      .bring({
        name,
        url: `http://${name}:1`,
        handle: { id: name, put } as unknown as ImportHandle,
        lacks: blobs,
        has: [],
        relays: true,
        fetches: true,
        leads: false,
        zstd: false,
        signal,
        sent: () => {},
        touch: () => {},
        fetched: (bytes) => fetched.set(name, (fetched.get(name) ?? 0) + bytes),
      })
      .catch(() => {});
  }
  for (let turn = 0; turn < 12; turn += 1) {
    await sleep(5);
    // Twice is once: an event may be told again
    for (const { digest } of [...blobs, ...blobs])
      for (const name of nodes) dispatch.progress(name, digest, size);
  }
  return nodes.map((name) => (fetched.get(name) ?? 0) / size);
}

it.each([100, 64 * 1024 * 1024])(
  'what a node got from its peers is counted by its events, once, whether or not the answer comes (blobs of %i bytes)',
  async (size) => {
    const [a = 0, b = 0] = await countedByEvents(size);
    // Each of the six blobs went to one of the two from the source, and on to the other
    expect(a + b).toBe(6);
  },
);

it('what a node got along a chain that another node feeds is counted once', async () => {
  const size = 64 * 1024 * 1024;
  const digest = digestOf(Buffer.from('layer'));
  const source = { ...memorySource([], []), sizeOf: () => undefined };
  const nodes = ['a', 'b'];
  const { signal } = new AbortController();
  using dispatch = new Dispatch({
    source,
    check: new SourceCheck(source),
    wire: new WireEncoding({ source, mode: 'none', threads: 1 }),
    nodes,
    layers: [digest],
    relay: 'auto',
    signal,
  });
  dispatch.holds({ name: 'holder', url: 'http://holder:1' }, [digest]);
  const fetched = new Map<string, number>();
  const fetch: ImportHandle['fetch'] = async (_blob, from, _signal, options) => ({
    received: size,
    from: from.map((url) => ({ url, bytes: size })),
    relay: options?.relay.map(({ node }) => ({ node, ok: true })) ?? [],
  });
  await Promise.all(
    nodes.map((name) =>
      dispatch.bring({
        name,
        url: `http://${name}:1`,
        handle: { id: name, fetch } as unknown as ImportHandle,
        lacks: [{ digest, mediaType: '', size, offset: 0 }],
        has: [],
        relays: true,
        fetches: true,
        leads: true,
        zstd: false,
        signal,
        sent: () => {},
        touch: () => {},
        fetched: (bytes) => fetched.set(name, (fetched.get(name) ?? 0) + bytes),
      }),
    ),
  );
  expect(Object.fromEntries(fetched)).toEqual({ a: size, b: size });
});

it('a blob whose answer comes after its node has come for more is counted once', async () => {
  const size = 64 * 1024 * 1024;
  const [first, second] = ['first', 'second'].map((name) => digestOf(Buffer.from(name)));
  if (first === undefined || second === undefined) throw new Error('no digests');
  const source = { ...memorySource([], []), sizeOf: () => undefined };
  const { signal } = new AbortController();
  using dispatch = new Dispatch({
    source,
    check: new SourceCheck(source),
    wire: new WireEncoding({ source, mode: 'none', threads: 1 }),
    nodes: ['a'],
    layers: [first, second],
    relay: 'auto',
    signal,
  });
  dispatch.holds({ name: 'holder', url: 'http://holder:1' }, [first, second]);
  let fetched = 0;
  const late = Promise.withResolvers<void>();
  const fetch: ImportHandle['fetch'] = async ({ digest }, from) => {
    if (digest === first) await late.promise;
    return { received: size, from: from.map((url) => ({ url, bytes: size })) };
  };
  const bring = (digest: typeof first) =>
    dispatch.bring({
      ...{ name: 'a', url: 'http://a:1', handle: { id: 'a', fetch } as unknown as ImportHandle, signal },
      ...{ lacks: [{ digest, mediaType: '', size, offset: 0 }], has: [], relays: true, fetches: true },
      ...{ leads: false, zstd: false, sent: () => {}, touch: () => {} },
      fetched: (bytes) => {
        fetched += bytes;
      },
    });
  const brought = bring(first);
  await sleep(5);
  dispatch.progress('a', first, size);
  await brought;
  const more = bring(second);
  late.resolve();
  await more;
  await sleep(5);
  expect(fetched).toBe(2 * size);
});
