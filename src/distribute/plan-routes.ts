import type { NodeSet } from './plan-node-set.ts';
import { smallBytes } from './plan-parcels.ts';
import type { NodeState, Parcel, PlanState } from './plan-state.ts';
import type { Transfer } from './plan-types.ts';

/** Where the parts of a chain's nodes differ by more than this, they are fed apart: nothing large is sent again. */
const overlapBytes = 1024 * 1024;
/** What a link carries while a request goes from one hop to the next, about: in a chain these delays add up. */
const hopBytes = 384 * 1024;
/** Up to this many stand in one chain, however small the blob. */
const shortChain = 32;
const longestChain = 2_000;
const longestColumn = 128;
/** As often as this no other node could reach it: then the source sends to it directly. */
const unreachedLimit = 2;
/** Feeders this many doublings slower than the others leave the source in charge. */
const slowFeeder = 2;

export interface RouteSettings {
  readonly relay: 'auto' | 'off';
  /** Of the grid in which many nodes stand. */
  readonly rows: number;
  readonly gridNodes: number;
  /** Up to this many stand in one chain; absent: it depends on the blob. */
  readonly chainLength: number | undefined;
}

/**
 * Chooses who gets what from whom, for all links that have room.
 *
 * Few nodes stand in one chain, which each blob goes along from end to end. Many stand in a grid. In each step the
 * source sends a blob along one row, while the nodes of the row before, which hold the blob before, each feed their
 * column with it; the next step, the next row. A row that was busy with its own blob gets what it missed from the ends
 * of the columns, whose uplinks are free. So every node gets one blob in each step, and gives one: all links are busy
 * in both directions, and n blobs take n + 1 steps, however many nodes there are. It works because all go in step: a
 * transfer out of turn takes half of two links, and with them half of all chains through them. So those few who miss
 * something, because a node failed, are fed when the source is done.
 */
export class Routes {
  readonly #state: PlanState;
  readonly #badLinks = new Set<number>();
  /** Where the next chain begins: of those from the source, and of all others. */
  #rows: number;
  #row = 0;
  #last: Parcel | undefined;
  #moreToCome = false;
  #cursor: number;
  /** On their way from the source to their first nodes. */
  #fromSourceNow: readonly Parcel[] = [];

  constructor(state: PlanState, seed: number) {
    this.#state = state;
    this.#cursor = seed;
    this.#rows = seed;
  }

  noteBadLink(from: NodeState, to: NodeState): void {
    this.#badLinks.add(linkKey(from, to));
  }

  /** Nothing is held against a node that is told of anew. */
  forgive(node: NodeState): void {
    if (this.#badLinks.size === 0) return;
    for (const other of this.#state.nodes) {
      this.#badLinks.delete(linkKey(other, node));
      this.#badLinks.delete(linkKey(node, other));
    }
  }

  choose(parcels: readonly Parcel[], settings: RouteSettings): Transfer[] {
    const { hungry } = this.#state;
    if (hungry.size === 0 && this.#state.sourceLoad >= this.#state.capacity) return [];
    const rarestFirst = parcels
      .map((parcel) => ({ parcel, copies: parcel.holders.size + parcel.receiving }))
      .sort((a, b) => a.copies - b.copies || a.parcel.index - b.parcel.index);
    const [rarest] = rarestFirst;
    this.#moreToCome = rarest?.copies === 0 && rarest.parcel.fromSource;
    const started: Transfer[] = [];
    if (settings.relay === 'off') {
      for (const { parcel } of rarestFirst) this.#direct(parcel, started);
      return started;
    }
    for (const { parcel } of rarestFirst)
      if (parcel.fromSource && this.#state.sourceLoad < this.#state.capacity)
        this.#nextFromSource(parcel, settings, started);
    this.#fromSourceNow = parcels.filter(({ first, rising }) => first.size > 0 && rising > 0);
    for (const { parcel } of rarestFirst) this.#spread(parcel, settings, started);
    return started;
  }

  /** As it was before there were relays: each node by itself, as many at once as each takes. */
  #direct(parcel: Parcel, started: Transfer[]): void {
    if (!parcel.fromSource) return;
    for (const index of parcel.waiting.common(this.#state.hungry, this.#turn(1)))
      started.push(this.#state.begin(parcel, [this.#state.at(index)], [], false));
  }

  #spread(parcel: Parcel, settings: RouteSettings, started: Transfer[]): void {
    const state = this.#state;
    const feeders = parcel.holders.common(state.idle, this.#begin()).map((i) => state.at(i));
    const sourceHasRoom = parcel.fromSource && state.sourceLoad < state.capacity;
    if (feeders.length === 0 && !sourceHasRoom) return;
    this.#columns(parcel, settings, started);
    const candidates = parcel.waiting.common(state.hungry, this.#begin()).map((i) => state.at(i));
    if (candidates.length === 0) return;
    const lost = sourceHasRoom ? candidates.filter(({ unreached }) => unreached >= unreachedLimit) : [];
    for (const node of lost)
      if (state.sourceLoad < state.capacity) started.push(state.begin(parcel, [node], [], false));
    const open = lost.length === 0 ? candidates : candidates.filter((node) => !lost.includes(node));
    const fast = open.filter(({ level }) => level === 0);
    const slow = open.filter(({ level }) => level > 0);
    if (fast.length === 0) this.#fromSource(parcel, slow, 1, started);
    if (feeders.length === 0) return;
    const quick = feeders.filter(({ level }) => level < slowFeeder);
    if (!this.#isInTurn(parcel))
      this.#fromHolders(parcel, rest(parcel, fast), quick.length > 0 ? quick : feeders, settings, started);
    this.#oneByOne(parcel, rest(parcel, slow), feeders, started);
  }

  /**
   * A new parcel does not wait for nodes that are busy. When one chain can hold all who lack it, nobody is left out, to
   * be fed apart. Else it goes to the next row of the grid.
   */
  #nextFromSource(parcel: Parcel, settings: RouteSettings, started: Transfer[]): void {
    const state = this.#state;
    const nodes = this.#quick(parcel.waiting.common(state.open, this.#rows % state.nodes.length));
    if (nodes.length <= chainOf(parcel, settings)) {
      this.#fromSource(parcel, nodes, chainOf(parcel, settings), started);
      return;
    }
    if (this.#hasGiver(parcel, nodes)) return;
    for (let tried = 0; tried < settings.rows && parcel.rising === 0; tried += 1) {
      const row = this.#row++ % settings.rows;
      // Who stands outside the grid gets all from the source, at the end of each row
      const inRow = nodes
        .filter(({ index }) => index >= settings.gridNodes || index % settings.rows === row)
        .sort((a, b) => a.index - b.index);
      if (!inRow.some(({ index }) => index < settings.gridNodes)) continue;
      this.#fromSource(parcel, inRow, inRow.length, started);
      if (parcel.rising === 0) continue;
      parcel.inGrid = true;
      parcel.row = state.transfers.get(started.at(-1)?.id ?? 0);
      parcel.before = this.#last;
      this.#last = parcel;
    }
  }

  /**
   * What goes through the grid keeps each link busy, and what is given out of turn would hold up whole columns. So the
   * few who missed something, because a node failed, get it when the source has sent all.
   */
  #isInTurn(parcel: Parcel): boolean {
    const last = this.#last;
    if (last === undefined || !parcel.inGrid) return false;
    if (parcel === last || parcel === last.before) return last.rising > 0;
    return (this.#moreToCome || last.rising > 0) && parcel.waiting.size < this.#state.ready / 8;
  }

  #quick(nodes: readonly number[]): NodeState[] {
    return nodes
      .map((i) => this.#state.at(i))
      .filter(({ level, unreached }) => level === 0 && unreached < unreachedLimit);
  }

  /** Each of the first row feeds its column once: all of it but those who are getting the next from the source. */
  #columns(parcel: Parcel, settings: RouteSettings, started: Transfer[]): void {
    const state = this.#state;
    if (parcel.first.size === 0 || parcel.waiting.size === 0 || this.#isOnRow(parcel)) return;
    const heads = parcel.first
      .common(parcel.holders)
      .filter((i) => i < settings.gridNodes && state.givers.has(i) && state.at(i).level === 0);
    if (heads.length === 0) return;
    const columnOf = (index: number) => Math.floor(index / settings.rows);
    const headOf = new Map(heads.map((index) => [columnOf(index), index]));
    const chains = new Map<number, NodeState[]>(heads.map((index) => [index, []]));
    const busy = this.#fromSourceNow.filter((other) => other !== parcel);
    for (const node of this.#quick(parcel.waiting.common(state.open))) {
      if (node.index >= settings.gridNodes) continue;
      if (busy.some(({ first }) => first.has(node.index))) continue;
      const column = columnOf(node.index);
      // A column without a head is shared out
      const head = headOf.get(column) ?? heads[column % heads.length] ?? 0;
      chains.get(head)?.push(node);
    }
    const row = (heads[0] ?? 0) % settings.rows;
    // Nearest after the row comes first, so the end, whose link is unused, is the row before
    const turn = ({ index }: NodeState) => ((index % settings.rows) - row + settings.rows) % settings.rows;
    for (const [index, nodes] of chains) {
      const head = state.at(index);
      parcel.first.delete(index);
      nodes.sort((a, b) => turn(a) - turn(b));
      const chain = this.#chain(parcel, nodes, longestColumn, head, state.givers);
      if (chain.length > 0)
        started.push(state.begin(parcel, chain, [head], chain.length === 1 && chain[0]?.fetches === true));
      this.#missed(parcel, head, chain.at(-1), started);
    }
  }

  #isOnRow(parcel: Parcel): boolean {
    for (const hop of parcel.row?.hops ?? []) if (!hop.ended) return true;
    return false;
  }

  /** While it got this parcel from the source, the one before went by: the end of its column gives it that. */
  #missed({ before }: Parcel, head: NodeState, end: NodeState | undefined, started: Transfer[]): void {
    if (before === undefined || end === undefined || end.level > 0 || !before.waiting.has(head.index)) return;
    if (!before.holders.has(end.index) || !this.#state.givers.has(end.index) || this.#isBad(end, head))
      return;
    started.push(this.#state.begin(before, [head], [end], head.fetches));
  }

  /** The source sends only what no node can give, and what none is just getting that will be able to. */
  #fromSource(parcel: Parcel, nodes: readonly NodeState[], length: number, started: Transfer[]): void {
    const state = this.#state;
    let left = nodes;
    while (left.length > 0 && parcel.fromSource && parcel.rising === 0 && state.sourceLoad < state.capacity) {
      if (this.#hasGiver(parcel, left)) return;
      const chain = this.#chain(parcel, left, length, undefined, state.givers);
      if (chain.length === 0) return;
      started.push(state.begin(parcel, chain, [], false));
      for (const { index } of chain) parcel.first.add(index);
      // Each parcel's chain begins elsewhere, so that none is always the last, whose link stays unused
      this.#rows += 1 + Math.floor(state.nodes.length / 3);
      left = rest(parcel, left);
    }
  }

  #hasGiver(parcel: Parcel, receivers: readonly NodeState[]): boolean {
    if (parcel.holders.size === 0) return false;
    const receiverLevel = receivers[0]?.level ?? 0;
    return parcel.holders
      .common(this.#state.givers)
      .some((i) => this.#state.at(i).level < receiverLevel + slowFeeder);
  }

  #fromHolders(
    parcel: Parcel,
    nodes: readonly NodeState[],
    feeders: readonly NodeState[],
    { chainLength = shortChain }: RouteSettings,
    started: Transfer[],
  ): void {
    let left = nodes;
    const even = Math.ceil(left.length / feeders.length);
    // Of small blobs a long chain costs the command fewer requests
    const length = isSmall(parcel) ? chainLength : Math.min(chainLength, even);
    for (const feeder of feeders) {
      if (left.length === 0) return;
      if (!this.#state.idle.has(feeder.index)) continue;
      const chain = this.#chain(parcel, left, length, feeder, this.#state.idle);
      if (chain.length === 0) continue;
      const [only] = chain;
      const fetch = chain.length === 1 && only?.fetches === true;
      started.push(this.#state.begin(parcel, chain, [feeder], fetch));
      left = rest(parcel, left);
      this.#turn(chain.length);
    }
  }

  /** Slow nodes alone, each from who has it: so they hold up nobody. */
  #oneByOne(
    parcel: Parcel,
    nodes: readonly NodeState[],
    feeders: readonly NodeState[],
    started: Transfer[],
  ): void {
    const slowestFirst = [...feeders].sort((a, b) => b.level - a.level);
    let next = 0;
    for (const node of nodes) {
      for (let tried = 0; tried < slowestFirst.length; tried += 1) {
        const feeder = slowestFirst[next++ % slowestFirst.length];
        if (feeder === undefined || !this.#state.idle.has(feeder.index) || this.#isBad(feeder, node))
          continue;
        started.push(this.#state.begin(parcel, [node], [feeder], node.fetches));
        break;
      }
    }
  }

  /** Up to `length` of the nodes, in an order that can be: those that pass on first, at most one that does not. */
  #chain(
    parcel: Parcel,
    nodes: readonly NodeState[],
    length: number,
    feeder: NodeState | undefined,
    passing: NodeSet,
  ): NodeState[] {
    const alike = ofLikeOffset(parcel, nodes);
    const middle: NodeState[] = [];
    let end: NodeState | undefined;
    let last = feeder;
    for (const node of alike) {
      if (middle.length + (end === undefined ? 0 : 1) >= length) break;
      if (passing.has(node.index)) {
        if (this.#isBad(last, node)) continue;
        middle.push(node);
        last = node;
      } else end ??= node;
    }
    if (end === undefined || this.#isBad(last, end)) return middle;
    return [...middle, end];
  }

  /** Whether `from` can be thought to give `to` something: it never failed to since `to` was told of. */
  canGive(from: NodeState, to: NodeState): boolean {
    return from.phase === 'ready' && to.phase === 'ready' && !this.#isBad(from, to);
  }

  #isBad(from: NodeState | undefined, to: NodeState): boolean {
    return from !== undefined && this.#badLinks.size > 0 && this.#badLinks.has(linkKey(from, to));
  }

  #begin(): number {
    return this.#cursor % Math.max(1, this.#state.nodes.length);
  }

  #turn(by: number): number {
    const begin = this.#begin();
    this.#cursor = begin + by;
    return begin;
  }
}

/** In a long chain the delays of its hops add up; in the grid the last step comes later. A large blob makes up for it. */
function chainOf({ size }: Parcel, { chainLength }: RouteSettings): number {
  return chainLength ?? Math.max(shortChain, Math.min(longestChain, Math.floor(size / hopBytes)));
}

function rest(parcel: Parcel, nodes: readonly NodeState[]): NodeState[] {
  return nodes.filter(({ index }) => parcel.waiting.has(index));
}

function isSmall({ size, blobs }: Parcel): boolean {
  return size <= smallBytes * blobs.length;
}

/** Those that hold about as much as the one that holds least. */
function ofLikeOffset({ offsets }: Parcel, nodes: readonly NodeState[]): readonly NodeState[] {
  if (offsets.size === 0) return nodes;
  const held = ({ index }: NodeState) => offsets.get(index) ?? 0;
  const least = Math.min(...nodes.map(held));
  return nodes.filter((node) => held(node) <= least + overlapBytes);
}

/** Node numbers stay below 2 ** 26. */
function linkKey(from: NodeState, to: NodeState): number {
  return from.index * 2 ** 26 + to.index;
}
