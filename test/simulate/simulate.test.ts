import { describe, expect, it } from 'vitest';
import { shareFairly } from './fair-shares.ts';
import { type Measured, measure } from './measure.ts';
import { mebibyte, type ScenarioOptions, type SimulatedNode, scenarioOf } from './scenario.ts';

const layers = Array.from({ length: 20 }, () => 50 * mebibyte);

function measured(options: Omit<ScenarioOptions, 'blobs'>): Measured {
  return measure(scenarioOf('test', { blobs: layers, ...options }), { relay: 'auto', seed: 1 });
}

describe('the real plan over simulated links', () => {
  it.each([
    [1, 1.06],
    [10, 1.06],
    [100, 1.25],
    [1_000, 1.25],
  ])('takes for %i nodes at most %f times what the slowest link needs', (nodes, ratio) => {
    const result = measured({ nodes });
    expect(result.ratio).toBeLessThanOrEqual(ratio);
    expect(result.uplink).toBeCloseTo(1, 3);
    expect(result.again).toBe(0);
    expect(result.cancelled).toBe(0);
  });

  it('takes for 1,000 nodes of which one in a hundred is killed at most 1.25 times as long', () => {
    const result = measured({ nodes: 1_000, failing: 0.01, silent: 0 });
    expect(result.ratio).toBeLessThanOrEqual(1.25);
    expect(result.again).toBeLessThanOrEqual(0.01);
  });

  it('takes no longer when one in a hundred falls silent', () => {
    const result = measured({ nodes: 1_000, failing: 0.01, silent: 1, seed: 2 });
    expect(result.ratio).toBeLessThanOrEqual(1.25);
    expect(result.again).toBeLessThanOrEqual(0.01);
  });

  it.each([100, 1_000])('goes through chains that a request can name, for %i nodes', (nodes) => {
    const result = measured({ nodes });
    expect(result.longestRoute).toBeLessThanOrEqual(60);
  });

  it('lets seven nodes finish in time beside an eighth at a tenth of the rate', () => {
    const alone = measured({ nodes: 8 });
    const mixed = measured({ nodes: 8, slow: { part: 1 / 8, rate: 0.1 } });
    expect(mixed.fastRatio / alone.fastRatio).toBeLessThanOrEqual(1.25);
    expect(mixed.again).toBeLessThan(0.1);
  });

  it('brings the others everything when one of eight is killed half-way', () => {
    const scenario = scenarioOf('test', { nodes: 8, blobs: layers });
    const killed = (node: SimulatedNode, i: number) =>
      i === 3 ? { ...node, fails: { atMs: 42_000, silently: false } } : node;
    const result = measure({ ...scenario, nodes: scenario.nodes.map(killed) }, { relay: 'auto', seed: 1 });
    expect(result.ratio).toBeLessThanOrEqual(1.5 * 1.05);
    expect(result.again).toBeLessThanOrEqual(0.1);
  });

  it.each([0, 3, 7])('feeds the others by other ways soon after node %i of eight hangs', (victim) => {
    const alone = measured({ nodes: 8 });
    const scenario = scenarioOf('test', { nodes: 8, blobs: layers });
    const hung = (node: SimulatedNode, i: number) =>
      i === victim ? { ...node, fails: { atMs: 42_000, silently: true } } : node;
    const result = measure({ ...scenario, nodes: scenario.nodes.map(hung) }, { relay: 'auto', seed: 1 });
    expect(result.stoodStillSeconds).toBeLessThanOrEqual(3);
    expect(result.ratio).toBeLessThanOrEqual(1.25 * alone.ratio);
    expect(result.again).toBeLessThanOrEqual(0.1);
  });

  it('does not send a node that joins later anything over the uplink', () => {
    const scenario = scenarioOf('test', { nodes: 10, blobs: layers });
    const has = scenario.source.map(({ digest }) => digest);
    const nodes = scenario.nodes.map((node, i) => (i === 0 ? node : { ...node, lacks: [], has }));
    const result = measure({ ...scenario, nodes }, { relay: 'auto', seed: 1 });
    expect(result.uplink).toBe(0);
    expect(result.ratio).toBeLessThanOrEqual(1.1);
  });

  it('gives the same for the same seed', () => {
    const times = [1, 2].map(() => measured({ nodes: 200, failing: 0.02 }).seconds);
    expect(times[0]).toBe(times[1]);
  });
});

describe('fair shares of links', () => {
  const flow = (...links: number[]) => ({ links, rate: 0, heldAt: 0 });

  it('give what one flow cannot use to another', () => {
    const flows = [flow(0, 1), flow(0)];
    shareFairly(flows, Float64Array.of(10, 2));
    expect(flows.map(({ rate, heldAt }) => [rate, heldAt])).toEqual([
      [2, 0],
      [8, 0],
    ]);
  });

  it('are equal on a link that all need', () => {
    const flows = [flow(0), flow(0), flow(0)];
    shareFairly(flows, Float64Array.of(9));
    expect(flows.map(({ rate }) => rate)).toEqual([3, 3, 3]);
  });
});
