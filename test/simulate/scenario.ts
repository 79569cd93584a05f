import { createHash } from 'node:crypto';
import type { PlanBlob, PlanNode } from '../../src/distribute/plan-types.ts';
import { parseDigest } from '../../src/image/digest.ts';
import { seeded } from './random.ts';

/** Bytes a millisecond at 100 Mbit/s. */
export const hundredMegabit = 12_500;
export const mebibyte = 1024 * 1024;

/** How links, requests and nodes behave. Times in milliseconds. */
export interface Model {
  /** What TCP, IP, Ethernet and TLS leave of a link for the payload. */
  readonly payload: number;
  /** From the decision to the first byte, and for each blob of several beyond that. */
  readonly requestMs: number;
  readonly blobMs: number;
  readonly requestBytes: number;
  /** From one hop to the next. */
  readonly hopMs: number;
  /** Until a blob that has arrived is verified and committed, and who asked has heard. */
  readonly commitMs: number;
  /** Between a hop and the next: the agent's, and the sockets'. */
  readonly bufferBytes: number;
  readonly progressMs: number;
  /** The plan is told what time it is. */
  readonly tickMs: number;
  /** Until a node that died is known to be dead: by a connection that is reset, or by nothing but silence. */
  readonly resetMs: number;
  readonly stallMs: number;
  /** Time goes on by no less than this. */
  readonly quantumMs: number;
}

export interface SimulatedNode extends PlanNode {
  readonly up: number;
  readonly down: number;
  readonly fails?: { readonly atMs: number; readonly silently: boolean } | undefined;
}

export interface Scenario {
  readonly name: string;
  readonly nodes: readonly SimulatedNode[];
  readonly source: readonly PlanBlob[];
  readonly sourceUp: number;
  readonly model: Model;
}

const model: Model = {
  payload: 0.954,
  requestMs: 10,
  blobMs: 0.5,
  requestBytes: 1024,
  hopMs: 3,
  commitMs: 20,
  bufferBytes: 12 * mebibyte,
  progressMs: 200,
  tickMs: 500,
  resetMs: 300,
  stallMs: 10_000,
  quantumMs: 1,
};

export interface ScenarioOptions {
  readonly nodes: number;
  readonly blobs: readonly number[];
  readonly rate?: number;
  readonly sourceRate?: number;
  /** A part of the nodes at a part of the rate. */
  readonly slow?: { readonly part: number; readonly rate: number };
  /** The part of the nodes that dies. */
  readonly failing?: number;
  /** The part of these of which nothing is heard. */
  readonly silent?: number;
  readonly seed?: number;
  readonly model?: Partial<Model>;
}

export function blobsOf(sizes: readonly number[]): PlanBlob[] {
  return sizes.map((size, i) => ({ size, digest: digestOf(i) }));
}

export function digestOf(number: number) {
  return parseDigest(`sha256:${createHash('sha256').update(String(number)).digest('hex')}`);
}

export function scenarioOf(name: string, options: ScenarioOptions): Scenario {
  const { nodes: count, blobs: sizes, rate = hundredMegabit, slow, failing = 0, seed = 1 } = options;
  const random = seeded(seed);
  const source = blobsOf(sizes);
  const lacks = source.map((blob) => ({ ...blob, offset: 0 }));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  const expectedMs = bytes / rate;
  const slowOnes = chosen(count, Math.round(count * (slow?.part ?? 0)), random);
  const failingOnes = chosen(count, Math.round(count * failing), random);
  const nodes = Array.from({ length: count }, (_, i): SimulatedNode => {
    const link = slowOnes.has(i) ? rate * (slow?.rate ?? 1) : rate;
    const fails = failingOnes.has(i)
      ? { atMs: random() * expectedMs, silently: random() < (options.silent ?? 0.5) }
      : undefined;
    return {
      name: `node-${i}`,
      lacks,
      has: [],
      relays: true,
      fetches: true,
      leads: true,
      up: link,
      down: link,
      fails,
    };
  });
  const quantumMs = Math.max(1, Math.min(expectedMs / 4000, count / 100));
  return {
    name,
    nodes,
    source,
    sourceUp: options.sourceRate ?? rate,
    model: { ...model, quantumMs, ...options.model },
  };
}

function chosen(count: number, howMany: number, random: () => number): ReadonlySet<number> {
  const found = new Set<number>();
  while (found.size < howMany) found.add(Math.floor(random() * count));
  return found;
}

/** No plan can be quicker: what is nowhere must leave the source, and what a node lacks must reach it. */
export function boundMs(
  { nodes, source, sourceUp }: Scenario,
  counts: (node: number) => boolean = () => true,
): number {
  const somewhere = new Set(nodes.flatMap(({ has }) => has));
  const wanted = new Set(nodes.flatMap(({ lacks }) => lacks.map(({ digest }) => digest)));
  const nowhere = source.filter(({ digest }) => wanted.has(digest) && !somewhere.has(digest));
  const fromSource = nowhere.reduce((sum, { size }) => sum + size, 0) / sourceUp;
  const toNodes = nodes.map(({ lacks, down }, i) =>
    counts(i) ? lacks.reduce((sum, { size, offset }) => sum + size - offset, 0) / down : 0,
  );
  return Math.max(fromSource, ...toNodes);
}
