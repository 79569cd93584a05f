import { expect, it } from 'vitest';
import { distribute } from '../../src/distribute/fan-out.ts';
import type { WireCompression } from '../../src/transfer/wire-encoding.ts';
import { startRoute } from '../agent/relay-route.ts';
import { imageOf } from '../support/blobs.ts';
import { memorySource } from '../support/memory-source.ts';

/** Three agents, of which those in `old` do not say that they take compressed blobs: bytes that the source sent to each. */
async function importInto(old: readonly string[], relay: 'auto' | 'off', wireCompression: WireCompression) {
  await using route = await startRoute(3);
  const image = imageOf([Buffer.alloc(3_000_000, 'text that repeats itself, '), 'small']);
  const outcomes = await distribute({
    nodes: route.stops.map(({ agent: { client, url }, hop: { node: name } }) => ({
      name,
      address: url.host,
      peer: { url: url.origin, have: (digests, signal) => client.have(digests, signal) },
      node: {
        ...client,
        describe: async (signal) => {
          const info = await client.describe(signal);
          const takes = (feature: string) => feature !== 'zstd' || !old.includes(name);
          return { ...info, features: info.features.filter(takes) };
        },
      },
    })),
    source: memorySource([{ name: 'docker.io/library/mixed:1', target: image.target }], image.blobs),
    declaration: {},
    retries: 0,
    stallTimeoutMs: 10_000,
    strict: false,
    concurrency: 4,
    relay,
    wireCompression,
    signal: AbortSignal.timeout(25_000),
    onEvent: () => {},
  });
  expect(outcomes.map(({ status }) => status)).toEqual(['imported', 'imported', 'imported']);
  return outcomes.map(({ bytesSent }) => bytesSent);
}

const sum = (sent: readonly number[]) => sent.reduce((all, bytes) => all + bytes, 0);

it('sends compressed bytes only to nodes that take them', async () => {
  const [first, old, third] = (await importInto(['n1'], 'off', 'zstd')) as [number, number, number];
  expect(Math.max(first, third)).toBeLessThan(500_000);
  expect(old).toBeGreaterThan(3_000_000);
});

it('sends plain bytes along a route of which one node does not take compressed ones', async () => {
  expect(sum(await importInto([], 'auto', 'zstd'))).toBeLessThan(1_000_000);
  expect(sum(await importInto(['n1'], 'auto', 'zstd'))).toBeGreaterThan(3_000_000);
});
