import { BadLinks } from './plan-bad-links.ts';
import { type ChainRules, chainOf } from './plan-chain.ts';
import type { NodeSet } from './plan-node-set.ts';
import { type NodeState, type Parcel, type PlanState, silentLevel } from './plan-state.ts';
import type { Transfer } from './plan-types.ts';

/** As often as this no other node could reach it: then the source sends to it directly. */
const unreachedLimit = 2;
/** With this part of a blob left of what they do, nodes are waited for: to stand in a row, or in a chain that is fed. */
const soonInRow = 8;
const soonInChain = 16;
/** Who could not give to as many as this is asked last. */
const failedFeeds = 3;
/** Feeders this many doublings slower than the others leave the source in charge. */
const slowFeeder = 2;

export interface RouteSettings {
  readonly relay: 'auto' | 'off';
  readonly chainLength: number;
  /** The same, of a chain that a node feeds from its store. */
  readonly fedLength: number;
}

/**
 * Chooses who gets what from whom, for all links that have room, what is rarest first.
 *
 * As many nodes as one chain takes stand in one, which each blob goes along from end to end. Of more, the source sends
 * each blob along a chain of some, others for each blob, and each of these feeds those who lack it still, in a chain if
 * that can be, while the next blob goes to others. A chain takes nodes whose links are free, or will be in a moment: so
 * every node gets one blob at a time, and gives one. With chains n blobs take little longer than n + 1 steps, however
 * many nodes there are. All of it follows from taking what is rarest, and who is free: nothing has a place of its own
 * that a failure could leave empty.
 */
export class Routes {
  readonly badLinks: BadLinks;
  readonly #state: PlanState;
  /** Where the next chain begins: of those from the source, and of all others. */
  #turn: number;
  /** Who is to give what few have: they pass on nothing else. */
  #giving: ReadonlySet<number> = new Set();

  constructor(state: PlanState, seed: number) {
    this.#state = state;
    this.badLinks = new BadLinks();
    this.#turn = seed;
  }

  choose(parcels: readonly Parcel[], settings: RouteSettings): Transfer[] {
    const state = this.#state;
    if (state.hungry.size === 0 && state.sourceLoad >= state.capacity) return [];
    const rarestFirst = parcels
      .map((parcel) => ({ parcel, copies: parcel.holders.size + parcel.receiving }))
      .sort((a, b) => a.copies - b.copies || a.parcel.index - b.parcel.index)
      .map(({ parcel }) => parcel);
    const started: Transfer[] = [];
    if (settings.relay === 'off') {
      for (const parcel of rarestFirst) this.#direct(parcel, started);
      return started;
    }
    this.#giving = this.#neededAsFeeders(parcels, settings);
    for (const parcel of rarestFirst) {
      if (state.sourceLoad >= state.capacity) break;
      this.#fromSource(parcel, settings, started);
    }
    for (const parcel of rarestFirst) this.#fromHolders(parcel, settings, started);
    if (started.length === 0 && state.transfers.size === 0) this.#byAnyWay(rarestFirst, started);
    return started;
  }

  /** With nothing under way nobody is waited for: what was kept back, because another way is better, goes now. */
  #byAnyWay(parcels: readonly Parcel[], started: Transfer[]): void {
    for (const parcel of parcels) {
      const givers = this.#all(parcel.holders).filter(({ relays }) => relays);
      for (const node of this.#waiting(parcel)) {
        const giver = givers.find((giver) => this.canGive(giver, node));
        if (giver !== undefined) started.push(this.#state.begin(parcel, [node], [giver], node.fetches));
        else if (this.canPull(parcel, node)) started.push(this.#state.begin(parcel, [node], [], false));
        if (started.length > 0) return;
      }
    }
  }

  /** As it was before there were relays: each node by itself, as many at once as each takes. */
  #direct(parcel: Parcel, started: Transfer[]): void {
    for (const node of this.#waiting(parcel))
      if (this.canPull(parcel, node)) started.push(this.#state.begin(parcel, [node], [], false));
  }

  /** The source sends only what no node can give, and what none is just getting that will be able to. */
  #fromSource(parcel: Parcel, settings: RouteSettings, started: Transfer[]): void {
    const state = this.#state;
    if (!parcel.fromSource || parcel.waiting.size === 0 || parcel.rising > 0) return;
    // One chain of all leaves nobody out, to be fed apart; of many nodes those are chosen whose links are free
    const all = parcel.waiting.common(state.open, this.#begin()).map((i) => state.at(i));
    const { quick, slow, lost } = this.#sorted(all);
    const givers = this.#givers(parcel);
    while (state.sourceLoad < state.capacity) {
      const left = quick.filter((node) => parcel.waiting.has(node.index) && !this.#isGiven(node, givers));
      if (left.length === 0 || parcel.rising > 0) break;
      const { length, nodes } = this.#row(parcel, left, settings);
      const chain = this.#chain(parcel, nodes, length, undefined);
      if (chain.length === 0) break;
      started.push(state.begin(parcel, chain, [], false));
      // Each parcel's chain begins elsewhere, so that none is always the last, whose link stays unused
      this.#turn += Math.max(1, Math.floor(state.nodes.length / 3));
    }
    const isQuick = quick.some((node) => this.canPull(parcel, node));
    for (const node of [...lost, ...(parcel.rising > 0 || isQuick ? [] : slow)]) {
      if (state.sourceLoad >= state.capacity || !state.hungry.has(node.index)) continue;
      if (!this.canPull(parcel, node)) continue;
      if (node.level > 0 && (parcel.rising > 0 || this.#isGiven(node, givers))) continue;
      started.push(state.begin(parcel, [node], [], false));
    }
  }

  /** Those who hold what more wait for than have it, or will in a moment: they have their hands full then. */
  #neededAsFeeders(parcels: readonly Parcel[], { chainLength }: RouteSettings): ReadonlySet<number> {
    const needed = new Set<number>();
    if (this.#state.ready <= chainLength) return needed;
    const rare = ({ waiting, holders, receiving }: Parcel) => waiting.size > holders.size + receiving;
    for (const parcel of parcels)
      if (rare(parcel)) for (const index of parcel.holders.common(this.#state.givers)) needed.add(index);
    for (const { transfer, node } of this.#state.fromSource())
      if (rare(transfer.parcel)) needed.add(node.index);
    return needed;
  }

  /** Who gets a blob first. */
  #row(
    { size }: Parcel,
    nodes: readonly NodeState[],
    { chainLength, fedLength }: RouteSettings,
  ): { length: number; nodes: readonly NodeState[] } {
    const count = this.#state.ready;
    if (count <= chainLength) return { length: chainLength, nodes };
    // Where each of them feeds but one at a time, the more the better; else columns as long as the row is
    const length = Math.min(chainLength, Math.ceil(fedLength > 1 ? Math.sqrt(count) : count / 3));
    const first = nodes
      .map((node) => ({ node, left: leftOf(node), gives: this.#giving.has(node.index) ? 1 : 0 }))
      .sort((a, b) => a.left - b.left);
    const soon = first
      .filter(({ left }) => left <= size / soonInRow)
      .sort((a, b) => a.gives - b.gives)
      .slice(0, length);
    const chosen = soon.length > 0 ? soon : first.slice(0, 1);
    return { length, nodes: chosen.map(({ node }) => node) };
  }

  #fromHolders(parcel: Parcel, settings: RouteSettings, started: Transfer[]): void {
    if (parcel.waiting.size === 0 || parcel.holders.size === 0) return;
    const feeders = this.#feeders(parcel);
    if (feeders.length === 0) return;
    const { quick, slow } = this.#sorted(this.#free(parcel, settings));
    const good = feeders.filter((node) => node.level < slowFeeder && !this.#failsOften(node));
    this.#inChains(parcel, quick, good.length > 0 ? good : feeders, settings, started);
    this.#oneByOne(parcel, slow, feeders, started);
  }

  /** Who holds it and has room to give it; who may be dead is asked only where nobody else will ever have it. */
  #feeders(parcel: Parcel): readonly NodeState[] {
    const idle = parcel.holders.common(this.#state.idle, this.#begin()).map((i) => this.#state.at(i));
    const alive = idle.filter(({ level }) => level < silentLevel);
    if (alive.length > 0 || idle.length === 0 || parcel.rising > 0) return alive;
    return this.#givers(parcel).some(({ level }) => level < silentLevel) ? [] : idle;
  }

  /** Evenly, among those who hold it and those who will soon. */
  #inChains(
    parcel: Parcel,
    nodes: readonly NodeState[],
    feeders: readonly NodeState[],
    { fedLength }: RouteSettings,
    started: Transfer[],
  ): void {
    const state = this.#state;
    const even = Math.ceil(parcel.waiting.size / (feeders.length + parcel.risingFirst));
    const length = Math.min(fedLength, even);
    let left = nodes;
    // Round and round, as long as one has room
    for (let before = -1; left.length > 0 && left.length !== before; ) {
      before = left.length;
      for (const feeder of feeders) {
        if (left.length === 0 || !state.idle.has(feeder.index)) continue;
        const chain = this.#chain(parcel, left, length, feeder);
        if (chain.length === 0) continue;
        const fetch = chain.length === 1 && chain[0]?.fetches === true;
        started.push(state.begin(parcel, chain, [feeder], fetch));
        this.#turn += chain.length;
        left = left.filter(({ index }) => parcel.waiting.has(index));
      }
    }
  }

  /** Slow nodes alone, each from who has it: so they hold up nobody. */
  #oneByOne(
    parcel: Parcel,
    nodes: readonly NodeState[],
    feeders: readonly NodeState[],
    started: Transfer[],
  ): void {
    const slowestFirst = feeders.toSorted((a, b) => b.level - a.level);
    let next = 0;
    for (const node of nodes) {
      for (let tried = 0; tried < slowestFirst.length; tried += 1) {
        const feeder = slowestFirst[next++ % slowestFirst.length];
        if (feeder === undefined || !this.#state.idle.has(feeder.index)) continue;
        if (this.badLinks.has(feeder, node)) continue;
        started.push(this.#state.begin(parcel, [node], [feeder], node.fetches));
        break;
      }
    }
  }

  #chain(
    parcel: Parcel,
    nodes: readonly NodeState[],
    length: number,
    feeder: NodeState | undefined,
  ): NodeState[] {
    const { givers, idle } = this.#state;
    const rules: ChainRules = {
      length,
      passes: ({ index }) =>
        feeder === undefined ? givers.has(index) : idle.has(index) && !this.#giving.has(index),
      leads: feeder === undefined ? this.#firstFromSource(parcel, nodes) : (node) => node.leads,
      isBad: (from, to) => this.badLinks.has(from, to),
    };
    return chainOf(parcel, nodes, feeder, rules);
  }

  /** Those first of whom it is not known that the source is out of their reach. */
  #firstFromSource(parcel: Parcel, nodes: readonly NodeState[]): (node: NodeState) => boolean {
    const able = (node: NodeState) => this.canPull(parcel, node);
    const tried = (node: NodeState) => node.pulledInVain > 0;
    return nodes.some(tried) && nodes.some((node) => able(node) && !tried(node))
      ? (node) => able(node) && !tried(node)
      : able;
  }

  /** Whether the node can get it from the source itself, as far as is known. */
  canPull({ fromSource, unpulled }: Parcel, { pulls, index }: NodeState): boolean {
    return fromSource && pulls && !unpulled.has(index);
  }

  /** Who can give it sooner or later. */
  #givers({ holders }: Parcel): readonly NodeState[] {
    if (holders.size === 0) return [];
    return holders
      .common(this.#state.givers)
      .map((i) => this.#state.at(i))
      .filter((node) => !this.#failsOften(node));
  }

  /** Whether it gets it from another node, that is quick enough for it, and never failed to reach it. */
  #isGiven(node: NodeState, givers: readonly NodeState[]): boolean {
    return givers.some((giver) => giver.level < node.level + slowFeeder && !this.badLinks.has(giver, node));
  }

  #all(nodes: NodeSet): NodeState[] {
    return nodes.common(nodes).map((i) => this.#state.at(i));
  }

  /** Who may take it now; in a chain, also who will in a moment. */
  #free(parcel: Parcel, { chainLength, fedLength }: RouteSettings): NodeState[] {
    const { hungry, open } = this.#state;
    if (fedLength === 1) return this.#waiting(parcel);
    const nodes = parcel.waiting.common(open, this.#begin()).map((i) => this.#state.at(i));
    // One chain of all leaves nobody out
    if (this.#state.ready <= chainLength) return nodes;
    const soon = parcel.size / soonInChain;
    return nodes.filter((node) => hungry.has(node.index) || leftOf(node) <= soon);
  }

  /** It is its link, or what it holds is damaged: others give, as long as there are any. */
  #failsOften(feeder: NodeState): boolean {
    return this.badLinks.countFrom(feeder) >= failedFeeds;
  }

  #waiting(parcel: Parcel): NodeState[] {
    return parcel.waiting.common(this.#state.hungry, this.#begin()).map((i) => this.#state.at(i));
  }

  #sorted(nodes: readonly NodeState[]) {
    const isLost = ({ unreached }: NodeState) => unreached >= unreachedLimit;
    return {
      lost: nodes.filter(isLost),
      quick: nodes.filter((node) => node.level === 0 && !isLost(node)),
      slow: nodes.filter((node) => node.level > 0 && !isLost(node)),
    };
  }

  /** Whether `from` can be thought to give `to` something: it never failed to since `to` was told of. */
  canGive(from: NodeState, to: NodeState): boolean {
    return from.phase === 'ready' && to.phase === 'ready' && !this.badLinks.has(from, to);
  }

  #begin(): number {
    return this.#turn % Math.max(1, this.#state.nodes.length);
  }
}

/** How much is left of what the node is getting and giving. */
function leftOf({ into, out }: NodeState): number {
  let most = 0;
  for (const { transfer, offset } of into.values()) most = Math.max(most, transfer.parcel.size - offset);
  for (const { transfer, offset } of out) most = Math.max(most, transfer.parcel.size - offset);
  return most;
}
