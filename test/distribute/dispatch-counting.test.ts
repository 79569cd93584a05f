import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { ImportHandle } from '../../src/agent-api/import-node.ts';
import { customer, dispatchOf, missingLayers, untilAborted } from './test-dispatch.ts';

const large = 64 * 1024 * 1024;

/** Counts the bytes that each node is said to have got from its peers. */
function countFetched() {
  const fetched = new Map<string, number>();
  const by = (name: string) => ({
    fetched: (bytes: number) => void fetched.set(name, (fetched.get(name) ?? 0) + bytes),
  });
  return { fetched, by };
}

/** What two nodes are said to have got from each other when their events tell of every blob, and no answer comes. */
async function countedByEvents(size: number): Promise<readonly number[]> {
  const blobs = missingLayers(6, size);
  const nodes = ['a', 'b'];
  using dispatch = dispatchOf(blobs, { nodes });
  const { fetched, by } = countFetched();
  const put: ImportHandle['put'] = (_blob, _body, stop) => untilAborted(stop);
  for (const name of nodes) dispatch.bring(customer(name, blobs, { put }, by(name))).catch(() => {});
  for (let turn = 0; turn < 12; turn += 1) {
    await sleep(5);
    // Twice is once: an event may be told again
    for (const { digest } of [...blobs, ...blobs])
      for (const name of nodes) dispatch.progress(name, digest, size);
  }
  return nodes.map((name) => (fetched.get(name) ?? 0) / size);
}

it.each([100, large])(
  'what a node got from its peers is counted by its events, once, whether or not the answer comes (blobs of %i bytes)',
  async (size) => {
    const [a = 0, b = 0] = await countedByEvents(size);
    // Each of the six blobs went to one of the two from the source, and on to the other
    expect(a + b).toBe(6);
  },
);

it('what a node got along a chain that another node feeds is counted once', async () => {
  const layers = missingLayers(1, large);
  const nodes = ['a', 'b'];
  using dispatch = dispatchOf(layers, { nodes, inSource: false });
  dispatch.holds(
    { name: 'holder', url: 'http://holder:1' },
    layers.map(({ digest }) => digest),
  );
  const { fetched, by } = countFetched();
  const fetch: ImportHandle['fetch'] = async (_blob, from, _signal, options) => ({
    received: large,
    from: from.map((url) => ({ url, bytes: large })),
    relay: options?.relay.map(({ node }) => ({ node, ok: true })) ?? [],
  });
  await Promise.all(
    nodes.map((name) => dispatch.bring(customer(name, layers, { fetch }, { leads: true, ...by(name) }))),
  );
  expect(Object.fromEntries(fetched)).toEqual({ a: large, b: large });
});

it('a blob whose answer comes after its node has come for more is counted once', async () => {
  const [first, second] = missingLayers(2, large);
  if (first === undefined || second === undefined) throw new Error('no layers');
  using dispatch = dispatchOf([first, second], { nodes: ['a'], inSource: false });
  dispatch.holds({ name: 'holder', url: 'http://holder:1' }, [first.digest, second.digest]);
  const { fetched, by } = countFetched();
  const late = Promise.withResolvers<void>();
  const fetch: ImportHandle['fetch'] = async ({ digest }, from) => {
    if (digest === first.digest) await late.promise;
    return { received: large, from: from.map((url) => ({ url, bytes: large })) };
  };
  const bring = (layer: typeof first) => dispatch.bring(customer('a', [layer], { fetch }, by('a')));
  const brought = bring(first);
  await sleep(5);
  dispatch.progress('a', first.digest, large);
  await brought;
  const more = bring(second);
  late.resolve();
  await more;
  await sleep(5);
  expect(fetched.get('a')).toBe(2 * large);
});
