import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PlanNode } from '../../src/distribute/plan-types.ts';
import { blobsOf } from '../simulate/scenario.ts';
import { live, type World, type WorldOptions } from './plan-world.ts';

const size = fc.oneof(fc.integer({ min: 1, max: 4_000 }), fc.integer({ min: 300_000, max: 60_000_000 }));
const powers = fc.record({ relays: fc.boolean(), fetches: fc.boolean(), leads: fc.boolean() });

/** Nodes that hold and lack at random, of a source that has everything. */
const worlds = fc
  .record({ sizes: fc.array(size, { minLength: 1, maxLength: 12 }), nodes: fc.integer({ min: 1, max: 60 }) })
  .chain(({ sizes, nodes }) => {
    const source = blobsOf(sizes);
    const node = (abilities: typeof powers) =>
      fc.record({
        abilities,
        there: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: sizes.length, maxLength: sizes.length }),
      });
    const modern = fc.constant({ relays: true, fetches: true, leads: true });
    return fc.record({
      source: fc.constant(source),
      seed: fc.integer({ min: 0, max: 1e6 }),
      nodes: fc
        .array(node(fc.oneof({ weight: 4, arbitrary: modern }, { weight: 1, arbitrary: powers })), {
          minLength: nodes,
          maxLength: nodes,
        })
        .map((list) =>
          list.map(
            ({ abilities, there }, i): PlanNode => ({
              name: `n${i}`,
              ...abilities,
              // A node that cannot fetch cannot pass on what it fetches
              leads: abilities.leads && abilities.fetches && abilities.relays,
              has: source.filter((_, b) => there[b] === 0).map(({ digest }) => digest),
              lacks: source.filter((_, b) => there[b] !== 0).map((blob) => ({ ...blob, offset: 0 })),
            }),
          ),
        ),
    });
  });

function mustHaveAll({ nodes }: WorldOptions, { broken, settled, dead, holds }: World): void {
  expect(broken).toEqual([]);
  expect(settled).toBe(true);
  for (const { name, lacks } of nodes)
    if (!dead.has(name)) expect(lacks.filter(({ digest }) => !holds.get(name)?.has(digest))).toEqual([]);
}

describe('a plan, whatever nodes hold and lack', () => {
  const runs = { numRuns: 150 };

  it('brings every node every blob, and asks nobody for what it does not hold', () => {
    fc.assert(
      fc.property(worlds, (world) => mustHaveAll(world, live(world))),
      runs,
    );
  });

  it('does so when hops fail and nodes die', () => {
    const fails = { node: 0.05, link: 0.03, dies: 0.02 };
    fc.assert(
      fc.property(worlds, (world) => mustHaveAll(world, live({ ...world, fails }))),
      runs,
    );
  });

  it('does so when nodes read the source themselves, and not all of them, or not always, reach it', () => {
    const fails = fc.constantFrom({ source: 0 }, { source: 0.3 }, { source: 0.5, node: 0.05, link: 0.03 });
    fc.assert(
      fc.property(worlds, fails, ({ nodes, ...world }, fails) => {
        const whole = world.source.map((blob) => ({ ...blob, offset: 0 }));
        const first = { relays: true, fetches: true, leads: true, pulls: true, has: [], lacks: whole };
        const some = nodes.map((node, i) => ({ ...node, ...(i === 0 ? first : { pulls: i % 2 === 0 }) }));
        const mixed = { ...world, nodes: some, fails };
        mustHaveAll(mixed, live(mixed));
      }),
      runs,
    );
  });

  it('does so when nothing is relayed, with one blob at a time, or in short chains', () => {
    const ways = fc.constantFrom<Partial<WorldOptions>>(
      { relay: 'off' },
      { limits: { concurrency: 1 } },
      { limits: { chainLength: 2 } },
      { limits: { fedLength: 1 } },
      { limits: { chainLength: 4, fedLength: 3, concurrency: 1 } },
    );
    fc.assert(
      fc.property(worlds, ways, (world, way) => mustHaveAll(world, live({ ...world, ...way }))),
      runs,
    );
  });

  it('does so when time passes in which things stand still, and names no more than a request can', () => {
    const times = fc.record({
      everyMs: fc.integer({ min: 10, max: 2_000 }),
      hopBytes: fc.integer({ min: 50, max: 700 }),
    });
    const fails = fc.constantFrom({}, { node: 0.05, link: 0.03, dies: 0.02 }, { link: 0.4 });
    const ways = fc.constantFrom<WorldOptions['limits']>({}, { chainLength: 5 }, { concurrency: 1 });
    fc.assert(
      fc.property(worlds, times, fails, ways, (world, { everyMs, hopBytes }, fails, limits) => {
        const nodes = world.nodes.map((node) => ({ ...node, hopBytes }));
        mustHaveAll(world, live({ ...world, nodes, everyMs, fails, limits }));
      }),
      runs,
    );
  });

  it('sends each blob over the uplink once, and none that a node holds, when nodes pass on and nobody fails', () => {
    fc.assert(
      fc.property(worlds, (world) => {
        const nodes = world.nodes.map((node) => ({ ...node, relays: true, fetches: true, leads: true }));
        const { sourceSent, broken } = live({ ...world, nodes });
        expect(broken).toEqual([]);
        for (const [digest, times] of sourceSent) {
          expect(times).toBe(1);
          expect(nodes.some(({ has }) => has.includes(digest))).toBe(false);
        }
      }),
      runs,
    );
  });

  it('is the same for the same seed and the same events', () => {
    const fails = { node: 0.05, dies: 0.02 };
    fc.assert(
      fc.property(worlds, (world) => {
        expect(live({ ...world, fails }).started).toEqual(live({ ...world, fails }).started);
      }),
      { numRuns: 30 },
    );
  });
});
