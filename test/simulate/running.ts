import type { Transfer } from '../../src/distribute/plan-types.ts';
import type { Flow } from './fair-shares.ts';

/** A transfer of the plan under way over simulated links. Nodes go by their number; this one is the source. */
export const source = -1;

export interface Running extends Flow {
  readonly transfer: Transfer;
  readonly feeder: number;
  /** Those still on the way, first to last; what is behind one that died is cut off. */
  route: number[];
  readonly held: readonly number[];
  readonly size: number;
  links: number[];
  readonly from: number;
  sent: number;
  /** In the buffers before the place that holds it up. */
  ahead: number;
  /** How many, from the first on, have all of it while those behind still wait. */
  passed: number;
  /** How far each was told to have got. */
  readonly told: number[];
  active: boolean;
  over: boolean;
}

/** How far the one at a position got. Before the place that holds a chain up, buffers are full. */
export function offsetAt(running: Running, at: number): number {
  const base = running.from + running.sent;
  const heldHop = Math.floor(running.heldAt / 2);
  const shown = at < heldHop ? Math.max(base, Math.min(base + running.ahead, running.size)) : base;
  return Math.floor(Math.max(running.held[at] ?? 0, shown));
}
