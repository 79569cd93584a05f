import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { PlanOptions } from '../../src/distribute/plan-types.ts';
import { boundMs, type Scenario } from './scenario.ts';
import { type Simulated, simulate } from './simulate.ts';

export interface Measured {
  readonly what: string;
  readonly nodes: number;
  readonly died: number;
  readonly seconds: number;
  /** Time to the bound, of all nodes that lived; and of those with the source's rate, to theirs. */
  readonly ratio: number;
  readonly fastRatio: number;
  /** Over the source's uplink, to what must go over it. */
  readonly uplink: number;
  /** Of what was delivered, what the receiver had already. */
  readonly again: number;
  readonly transfers: number;
  readonly requestsPerNode: number;
  readonly cancelled: number;
  readonly longestRoute: number;
  readonly stoodStillSeconds: number;
  readonly planMsPerNode: number;
  readonly planKiBPerNode: number;
  readonly wallSeconds: number;
}

export function measure(
  scenario: Scenario,
  options: Pick<PlanOptions, 'limits' | 'relay' | 'seed'>,
): Measured {
  const { nodes, sourceUp, source } = scenario;
  const begun = performance.now();
  const run = simulate(scenario, options);
  const { doneMs } = run;
  const wallSeconds = (performance.now() - begun) / 1000;
  const lived = (i: number) => doneMs[i] !== undefined;
  const fast = (i: number) => lived(i) && (nodes[i]?.down ?? 0) >= sourceUp;
  const fastMs = Math.max(0, ...doneMs.filter((ms, i): ms is number => ms !== undefined && fast(i)));
  const somewhere = new Set(nodes.flatMap(({ has }) => has));
  const nowhere = source.reduce((sum, { digest, size }) => sum + (somewhere.has(digest) ? 0 : size), 0);
  return {
    what: scenario.name,
    nodes: nodes.length,
    died: nodes.filter(({ fails }) => fails !== undefined).length,
    seconds: run.timeMs / 1000,
    ratio: run.timeMs / boundMs(scenario, lived),
    fastRatio: fastMs / boundMs(scenario, fast),
    uplink: run.sourceBytes / Math.max(1, nowhere),
    again: run.againBytes / Math.max(1, run.deliveredBytes),
    transfers: run.transfers,
    requestsPerNode: run.requests / nodes.length,
    cancelled: run.cancelled,
    longestRoute: run.longestRoute,
    stoodStillSeconds: run.stoodStillMs / 1000,
    planMsPerNode: run.plannerMs / nodes.length,
    planKiBPerNode: heldBytes(run) / 1024 / nodes.length,
    wallSeconds,
  };
}

/** What is freed when the plan is let go. */
function heldBytes(run: Simulated): number {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  collect();
  const withPlan = process.memoryUsage().heapUsed;
  run.plan = undefined;
  collect();
  return Math.max(0, withPlan - process.memoryUsage().heapUsed);
}
