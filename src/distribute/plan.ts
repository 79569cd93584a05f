import type { Digest } from '../image/digest.ts';
import { Pace } from './plan-pace.ts';
import { Routes } from './plan-routes.ts';
import { type Hop, type NodeState, PlanState, type TransferState } from './plan-state.ts';
import { Stock } from './plan-stock.ts';
import type { HopResult, PlanAction, PlanEvent, PlanNode, PlanOptions } from './plan-types.ts';

/**
 * A route names all nodes of a chain but the first, in a header that has its bounds (agent-api/relay.ts). Up to so many
 * nodes stand in one chain, and several large blobs go at once; of more, one is to be with all before the next is.
 */
const longestChain = 60;
/** What is nearly done is looked for this often, in milliseconds. */
const easeMs = 20;
/** A link to a node that failed as often as this is the node's own trouble. */
const linkFailures = 4;

/**
 * Which blob goes from where along which route. Pure: no sockets, no clock; the same events give the same plan.
 *
 * Whoever carries it out tells what happens (`handle`), then asks for what to do (`next`), starts and cancels just
 * that, and goes on until `settled`:
 *
 *     for (const node of nodes) plan.handle({ type: 'nodeReady', node });
 *     while (!plan.settled) {
 *       for (const action of plan.next()) carryOut(action);
 *       plan.handle(await whatHappened());
 *     }
 *
 * Routes are planned for the nodes that are known: to wait for the answers of all, for a second at most, before the
 * first `next` gives the better plan. Several events may be told before `next`, and should be when they come at once.
 * A hop that failed by the node's own fault leaves the node in doubt (`isInDoubt`), and so do others when nobody gets
 * through to it: it is to be asked what it lacks, and told of with `nodeReady`, or given up with `nodeFailed`; how often
 * and how soon is not the plan's to say. A node that is
 * failed is out of the routes at once, so those behind it in a chain may get other transfers for the same blob before
 * the old one is heard to have ended.
 * @throws RangeError by events of nodes or transfers that it never heard of
 */
export class Plan {
  readonly #options: PlanOptions;
  readonly #state = new PlanState();
  readonly #routes: Routes;
  readonly #pace: Pace;
  readonly #stock: Stock;
  readonly #cancels: number[] = [];
  #changed = false;
  #plannedFor = -1;
  #easedMs = 0;

  constructor(options: PlanOptions) {
    this.#options = options;
    this.#routes = new Routes(this.#state, options.seed ?? 0);
    this.#pace = new Pace(this.#state);
    this.#stock = new Stock(this.#state);
    this.#stock.sourceHas(options.source);
  }

  handle(event: PlanEvent): void {
    // Most progress changes nothing
    this.#changed ||= event.type !== 'progress' && event.type !== 'time';
    switch (event.type) {
      case 'nodeReady':
        this.#nodeReady(event.node);
        break;
      case 'nodeLacks':
        this.#stock.lacks(this.#node(event.node), event.blobs);
        break;
      case 'nodeFailed':
        this.#nodeFailed(this.#node(event.node));
        break;
      case 'sourceHas':
        this.#stock.sourceHas(event.blobs);
        break;
      case 'progress':
        this.#progress(event.transfer, event.node, event.offset, event.atMs);
        break;
      case 'time':
        this.#time(event.atMs);
        break;
      case 'hopEnded':
        this.#hopEnded(this.#hop(event.transfer, event.node), event.result);
        break;
      case 'transferEnded':
        this.#transferEnded(event.transfer, event.hops);
    }
  }

  /** What to do now. It is taken to be done: each action is answered once. */
  next(): readonly PlanAction[] {
    if (!this.#changed) return [];
    this.#changed = false;
    this.#stock.takeIn();
    this.#measure();
    const cancels = this.#cancels.splice(0).map((transfer) => ({ type: 'cancel' as const, transfer }));
    const { chainLength = longestChain, fedLength = chainLength } = this.#options.limits ?? {};
    const settings = { relay: this.#options.relay, chainLength, fedLength: Math.min(chainLength, fedLength) };
    const starts = this.#routes
      .choose(this.#stock.waiting(), settings)
      .map((transfer) => ({ type: 'start' as const, transfer }));
    return [...cancels, ...starts];
  }

  /** It gets nothing until it is told of anew. */
  isInDoubt(node: string): boolean {
    return this.#node(node).phase === 'doubtful';
  }

  /** Nobody lacks anything, but nodes that failed, and nothing is under way. */
  get settled(): boolean {
    return this.#state.transfers.size === 0 && !this.#stock.isLacked;
  }

  /**
   * With nothing under way, after `next`: what is lacked that nobody can give any more. To a node that it was tried in
   * vain to give to, who has it can give it when `nodeReady` tells of that node anew.
   */
  unobtainable(): { readonly node: string; readonly digests: readonly Digest[] }[] {
    this.#stock.takeIn();
    if (this.#state.transfers.size > 0) return [];
    const lost = new Map<string, Digest[]>();
    for (const parcel of this.#stock.waiting()) {
      const { waiting, holders, blobs } = parcel;
      const shared = this.#options.relay === 'auto';
      const lacking = waiting.common(waiting).map((index) => this.#state.at(index));
      // Who can get it from the source gives it to the others
      if (shared && lacking.some((node) => this.#routes.canPull(parcel, node))) continue;
      const givers = shared ? holders.common(holders) : [];
      for (const node of lacking) {
        if (this.#routes.canPull(parcel, node)) continue;
        if (givers.some((giver) => this.#routes.canGive(this.#state.at(giver), node))) continue;
        const { name } = node;
        const digests = lost.get(name) ?? [];
        lost.set(name, digests);
        digests.push(...blobs.map(({ digest }) => digest));
      }
    }
    return [...lost].map(([node, digests]) => ({ node, digests }));
  }

  #nodeReady({
    name,
    lacks,
    has,
    relays,
    fetches,
    leads = false,
    pulls = true,
    hopBytes = 0,
  }: PlanNode): void {
    const node = this.#state.node(name);
    if (node.phase === 'ready') this.#state.ready -= 1;
    this.#routes.badLinks.forgive(node);
    Object.assign(node, { phase: 'ready', relays, fetches, leads, pulls, hopBytes });
    Object.assign(node, { unreached: 0, pulledInVain: 0, slowOut: false });
    this.#state.ready += 1;
    this.#stock.restate(node, has, lacks);
    this.#state.weigh(node);
  }

  #nodeFailed(node: NodeState): void {
    if (node.phase === 'ready') this.#state.ready -= 1;
    node.phase = 'failed';
    this.#state.weigh(node);
    for (const hop of [...node.into.values()]) this.#dropHop(hop);
    // Others may still give it what it fetches
    for (const hop of [...node.out])
      if (hop.senders.every(({ phase }) => phase === 'failed')) this.#lostFrom(hop);
    this.#stock.forget(node);
  }

  #progress(id: number, name: string, offset: number, atMs: number): void {
    const hop = this.#hop(id, name);
    if (hop === undefined || hop.ended) return;
    this.#give(this.#pace.progress(hop, offset, atMs));
    this.#time(atMs);
  }

  #time(atMs: number): void {
    this.#state.nowMs = Math.max(this.#state.nowMs, atMs);
    this.#give(this.#pace.stuck());
    if (this.#state.nowMs - this.#easedMs < easeMs) return;
    this.#easedMs = this.#state.nowMs;
    for (const { hops } of this.#state.transfers.values())
      for (const hop of hops) if (this.#pace.isNearlyDone(hop) && this.#state.ease(hop)) this.#changed = true;
  }

  #give(up: readonly TransferState[]): void {
    for (const transfer of up) {
      if (transfer.cancelled) continue;
      transfer.cancelled = true;
      this.#cancels.push(transfer.id);
      this.#changed = true;
    }
  }

  #hopEnded(hop: Hop | undefined, result: HopResult): void {
    if (hop === undefined || hop.ended) return;
    const { node, transfer } = hop;
    const { parcel } = transfer;
    if (result.ok) {
      hop.offset = parcel.size;
      this.#dropHop(hop);
      parcel.offsets.delete(node.index);
      if (node.relays && node.phase === 'ready') parcel.holders.add(node.index);
      return;
    }
    hop.offset = result.offset ?? hop.offset;
    this.#lostRoute(hop);
    if (result.reason === 'route' || node.phase !== 'ready') return;
    if (result.reason === 'source') {
      parcel.unpulled.add(node.index);
      node.pulledInVain += 1;
      return;
    }
    if (result.reason === 'link') {
      for (const sender of hop.senders) this.#routes.badLinks.add(sender, node);
      node.unreached += 1;
      if (hop.senders.length > 0 && node.unreached < linkFailures) return;
    }
    node.phase = 'doubtful';
    this.#state.ready -= 1;
    this.#state.weigh(node);
  }

  #transferEnded(id: number, hops: Extract<PlanEvent, { type: 'transferEnded' }>['hops']): void {
    const transfer = this.#state.transfers.get(id);
    if (transfer === undefined) return;
    for (const { node, result } of hops) this.#hopEnded(this.#hop(id, node), result);
    for (const hop of transfer.hops) this.#lostRoute(hop);
  }

  /** It did not get it, by no fault of its own: it waits for another route, with what it holds. */
  #lostRoute(hop: Hop): void {
    const { node, transfer } = hop;
    if (!this.#dropHop(hop) || node.phase === 'failed') return;
    this.#stock.awaits(node, transfer.parcel, hop.offset);
  }

  #lostFrom(first: Hop): void {
    const { hops } = first.transfer;
    for (const hop of hops.slice(hops.indexOf(first))) this.#lostRoute(hop);
  }

  #dropHop(hop: Hop): boolean {
    const dropped = this.#state.release(hop);
    if (dropped && hop.transfer.open === 0) this.#state.transfers.delete(hop.transfer.id);
    return dropped;
  }

  /** How long chains are, and how much runs at once, for as many nodes as there are. */
  #measure(): void {
    if (this.#plannedFor === this.#state.ready) return;
    this.#plannedFor = this.#state.ready;
    const { limits } = this.#options;
    const ready = this.#state.ready;
    const capacity = Math.max(1, limits?.concurrency ?? (ready <= longestChain ? 3 : 1));
    if (capacity === this.#state.capacity) return;
    this.#state.capacity = capacity;
    for (const node of this.#state.nodes) this.#state.weigh(node);
  }

  #node(name: string): NodeState {
    const node = this.#state.byName.get(name);
    if (node === undefined) throw new RangeError(`the plan has no node ${name}`);
    return node;
  }

  /** Of a transfer that has ended already, nothing. */
  #hop(id: number, name: string): Hop | undefined {
    const transfer: TransferState | undefined = this.#state.transfers.get(id);
    return transfer?.hops.find(({ node }) => node.name === name);
  }
}
