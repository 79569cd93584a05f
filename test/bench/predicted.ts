import { scenarioOf } from '../simulate/scenario.ts';
import { simulate } from '../simulate/simulate.ts';

/** How long the simulator says that an import takes, from the plan's beginning until the last node has everything. */
export function predictedSeconds({
  nodes,
  layers,
  rateMbit,
}: {
  readonly nodes: number;
  readonly layers: readonly { readonly size: number }[];
  readonly rateMbit: number;
}): number {
  const blobs = layers.map(({ size }) => size);
  // Mbit/s in bytes a millisecond
  const scenario = scenarioOf(`${nodes} nodes`, { nodes, blobs, rate: rateMbit * 125 });
  return simulate(scenario, { relay: 'auto', seed: 1 }).timeMs / 1000;
}
