import type { NodeState, Parcel } from './plan-state.ts';

/**
 * Where the parts of a chain's nodes differ by more than this, they are fed apart: nothing large is sent again. Less is
 * what stood in the buffers before a hop that failed; to leave those nodes out would cost them more than the bytes.
 */
const overlapBytes = 16 * 1024 * 1024;
/** Of the header that names the nodes after the first: somewhat less than agents take. */
const routeBytes = 12_000;

export interface ChainRules {
  /** No more nodes than this. */
  readonly length: number;
  /** May pass on. */
  passes(node: NodeState): boolean;
  /** May be the first: of several, where a node feeds them; at all, where the source does. */
  leads(node: NodeState): boolean;
  isBad(from: NodeState | undefined, to: NodeState): boolean;
}

/**
 * Some of the nodes, in an order that can be: those that pass on first, at most one that does not. The first of those
 * that hold least of it begin.
 */
export function chainOf(
  { offsets }: Parcel,
  nodes: readonly NodeState[],
  feeder: NodeState | undefined,
  { length, passes, leads, isBad }: ChainRules,
): NodeState[] {
  const middle: NodeState[] = [];
  let end: NodeState | undefined;
  let last = feeder;
  let bytes = 0;
  const alike = ofLikeOffset(offsets, nodes);
  for (const node of leadersFirst(alike, leads)) {
    if (middle.length + (end === undefined ? 0 : 1) >= length) break;
    bytes += node.hopBytes;
    if (bytes > routeBytes && middle.length > 0) break;
    if (passes(node)) {
      if (isBad(last, node)) continue;
      middle.push(node);
      last = node;
    } else end ??= node;
  }
  const [first] = middle;
  if (first !== undefined && !leads(first)) return feeder === undefined ? [] : [first];
  // Nobody but the one that passes nothing on
  if (first === undefined && feeder === undefined && end !== undefined && !leads(end)) return [];
  if (end === undefined || isBad(last, end)) return middle;
  return [...middle, end];
}

function leadersFirst(
  nodes: readonly NodeState[],
  leads: (node: NodeState) => boolean,
): readonly NodeState[] {
  const others = nodes.filter((node) => !leads(node));
  return others.length === 0 ? nodes : [...nodes.filter(leads), ...others];
}

/** Those that hold about as much as the one that holds least. */
function ofLikeOffset(
  offsets: ReadonlyMap<number, number>,
  nodes: readonly NodeState[],
): readonly NodeState[] {
  if (offsets.size === 0) return nodes;
  const held = ({ index }: NodeState) => offsets.get(index) ?? 0;
  const least = Math.min(...nodes.map(held));
  return nodes.filter((node) => held(node) <= least + overlapBytes);
}
