import { describe, expect, it } from 'vitest';
import { distribute } from '../../src/distribute/fan-out.ts';
import { parseReference } from '../../src/image/reference.ts';
import { ownEndpoint } from '../../src/image/registry-endpoint.ts';
import { openRegistryImages } from '../../src/registry/registry.ts';
import { makeCluster } from '../agent/fetch-nodes.ts';
import { randomImage, type SingleImage } from '../support/archives.ts';
import { type FakeRegistry, startFakeRegistry } from '../support/registry/fake-registry.ts';
import { startPullingNodes } from './pulling-nodes.ts';

const images = await Promise.all(
  ['one', 'two', 'three'].map((seed) =>
    randomImage({ layers: 3, layerSize: 400_000, seed: `at once ${seed}`, gzip: true }),
  ),
);
/** Their layers are so small that several of them go in one transfer. */
const small = await Promise.all(
  ['one', 'two', 'three', 'four'].map((seed) =>
    randomImage({ layers: 3, layerSize: 20_000, seed: `small ${seed}`, gzip: true }),
  ),
);
const tags = Object.fromEntries(images.map((image, i) => [`app${i}:1`, image]));
const tagsOfSmall = Object.fromEntries(small.map((image, i) => [`app${i}:1`, image]));
const refsAt = ({ host }: FakeRegistry, of: readonly SingleImage[] = images) =>
  of.map((_, i) => `${host}/app${i}:1`);

/** Images whose layers were being read while a layer of another one was, two and two. */
function watch(registry: FakeRegistry): Set<string> {
  const under = new Map<number, number>();
  const together = new Set<string>();
  const owner = (url: string) =>
    images.findIndex(({ layers }: SingleImage) =>
      layers.some(({ descriptor }) => url.includes(descriptor.digest)),
    );
  registry.guard = ({ url = '' }, response) => {
    const image = owner(url);
    if (image < 0) return false;
    under.set(image, (under.get(image) ?? 0) + 1);
    for (const [other, count] of under) if (count > 0 && other < image) together.add(`${other} ${image}`);
    response.on('close', () => under.set(image, (under.get(image) ?? 1) - 1));
    return false;
  };
  return together;
}

type Way = (
  registry: FakeRegistry,
  imagesAtOnce: number,
  of?: readonly SingleImage[],
) => Promise<readonly { readonly status: string }[]>;

const ways: Record<string, Way> = {
  'by the nodes': async (registry, imagesAtOnce, of) => {
    await using nodes = await startPullingNodes(['a', 'b'], registry);
    return (await nodes.pull(refsAt(registry, of), { imagesAtOnce })).outcomes;
  },
  'by the command': async (registry, imagesAtOnce, of) => {
    await using cluster = await makeCluster();
    await using a = await cluster.node();
    await using b = await cluster.node();
    const access = {
      endpointsOf: async (reference: Parameters<typeof ownEndpoint>[0]) => [ownEndpoint(reference)],
      credentialsOf: async () => [],
    };
    await using source = await openRegistryImages(refsAt(registry, of).map(parseReference), access, {
      platforms: [],
    });
    return await distribute({
      nodes: [a, b].map(({ client, url }, i) => ({
        name: `n${i}`,
        address: url.host,
        peer: { url: url.origin, have: client.have },
        node: client,
      })),
      source,
      imagesAtOnce,
      declaration: {},
      retries: 0,
      stallTimeoutMs: 10_000,
      strict: false,
      relay: 'auto',
      signal: AbortSignal.timeout(30_000),
      onEvent: () => {},
    });
  },
};

describe.each(Object.keys(ways))('images that are pulled %s', (name) => {
  const pull: Way = (...pulling) => ways[name]?.(...pulling) ?? Promise.resolve([]);

  it('come one after the other, where no more than one is to', async () => {
    await using registry = await startFakeRegistry({ tags });
    const together = watch(registry);
    expect((await pull(registry, 1)).map(({ status }) => status)).toEqual(['imported', 'imported']);
    expect([...together]).toEqual([]);
  });

  it('come two at a time, where two are to, and no third', async () => {
    await using registry = await startFakeRegistry({ tags });
    const together = watch(registry);
    // The first layer of either is given when both were asked for
    const asked = new Set<number>();
    const held: (() => void)[] = [];
    for (const [i, { layers }] of images.slice(0, 2).entries())
      registry.faults.push({
        path: new RegExp(layers.map(({ descriptor }) => descriptor.digest).join('|')),
        answer(response, bytes) {
          asked.add(i);
          held.push(() => response.end(bytes));
          if (asked.size === 2) for (const give of held) give();
        },
      });
    const outcomes = await pull(registry, 2);
    expect(outcomes).toMatchObject([{ status: 'imported' }, { status: 'imported' }]);
    expect(together).toContain('0 1');
    expect(together).not.toContain('0 2');
  });

  it('come one after the other with all of their small layers, each read once', async () => {
    await using registry = await startFakeRegistry({ tags: tagsOfSmall });
    const outcomes = await pull(registry, 1, small);
    expect(outcomes).toMatchObject([{ status: 'imported' }, { status: 'imported' }]);
    const read = small.flatMap(({ layers }) => layers).map(({ descriptor: { digest } }) => digest);
    for (const digest of read)
      expect(registry.paths().filter((path) => path.includes(digest))).toHaveLength(1);
  });
});
