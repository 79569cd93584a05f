import type { Digest } from '../image/digest.ts';
import { Meter } from './plan-meter.ts';
import { NodeSet } from './plan-node-set.ts';
import type { FetchTransfer, PlanBlob, RelayTransfer, Transfer } from './plan-types.ts';

/** What the plan keeps of nodes, parcels and transfers. Loads are counted here, and only here. */

/** One large blob, or small ones that the same nodes lack: the unit of which a plan is made. */
export interface Parcel {
  readonly index: number;
  readonly blobs: readonly PlanBlob[];
  readonly size: number;
  /** What it takes of a link while it is under way; a small one leaves room for others. */
  readonly charge: number;
  fromSource: boolean;
  /** Lack it, and are not getting it just now. */
  readonly waiting: NodeSet;
  /** Hold it whole and can give it. */
  readonly holders: NodeSet;
  /** Where something is there already. */
  readonly offsets: Map<number, number>;
  /** Could not get it from the source. */
  readonly unpulled: NodeSet;
  /** Are getting it. */
  receiving: number;
  /** Of these: will be able to give it to others, and are not slow. */
  rising: number;
  /** Of these: get it from the source, and so before others do. */
  risingFirst: number;
}

export interface NodeState {
  readonly index: number;
  readonly name: string;
  relays: boolean;
  fetches: boolean;
  leads: boolean;
  /** Whether it can get anything from the source. */
  pulls: boolean;
  /** How often it could not, since it was told of. */
  pulledInVain: number;
  /** Of a route's header. */
  hopBytes: number;
  phase: 'ready' | 'doubtful' | 'failed';
  readonly into: Map<Parcel, Hop>;
  readonly out: Set<Hop>;
  inLoad: number;
  outLoad: number;
  /** When it last took or gave anything. */
  activeMs: number;
  /** When a chain that it stood in was last given up for another node's sake. */
  disturbedMs: number;
  readonly taken: Meter;
  readonly given: Meter;
  /** How many times its rate must be doubled to be that of the others. */
  level: number;
  /** Who fed it when it was found slow: may be the slow one itself. */
  behind: NodeState | undefined;
  /** How often nobody could reach it from another node. */
  unreached: number;
  /** What it should pass on comes slowly: it gets, and gives nothing. */
  slowOut: boolean;
}

export interface Hop {
  readonly transfer: TransferState;
  readonly node: NodeState;
  readonly senders: readonly NodeState[];
  readonly rising: boolean;
  inCharge: number;
  outCharge: number;
  offset: number;
  /** What it held when this began: as far as that it discards what comes. */
  readonly held: number;
  /** When it last got anything, or was to. */
  movedMs: number;
  lagSinceMs: number | undefined;
  ended: boolean;
}

export interface TransferState {
  readonly id: number;
  readonly parcel: Parcel;
  readonly fromSource: boolean;
  readonly hops: Hop[];
  sourceCharge: number;
  open: number;
  beganMs: number | undefined;
  reviewedMs: number;
  cancelled: boolean;
}

/** The level of a node of which nothing is heard; no slow one has a higher. */
export const silentLevel = 10;

/** A slow node takes as much less of its feeder's link. */
export function share(level: number): number {
  return 2 ** -Math.min(level, 4);
}

export class PlanState {
  readonly nodes: NodeState[] = [];
  readonly byName = new Map<string, NodeState>();
  readonly transfers = new Map<number, TransferState>();
  readonly parcels: Parcel[] = [];
  readonly parcelOf = new Map<Digest, Parcel>();
  /** May receive more. */
  readonly hungry = new NodeSet();
  /** May stand in a chain of all nodes, which the source alone holds back. */
  readonly open = new NodeSet();
  /** May send more. */
  readonly idle = new NodeSet();
  /** Could give what they hold, now or when they are done with what they do. */
  readonly givers = new NodeSet();
  /** How many nodes take part. */
  ready = 0;
  sourceLoad = 0;
  /** The time of the last event that told it. */
  nowMs = 0;
  /** Large transfers at once over one link. */
  capacity = 1;
  #nextId = 1;

  node(name: string): NodeState {
    const known = this.byName.get(name);
    if (known !== undefined) return known;
    const node: NodeState = {
      index: this.nodes.length,
      name,
      relays: false,
      fetches: false,
      leads: false,
      pulls: true,
      pulledInVain: 0,
      hopBytes: 0,
      phase: 'doubtful',
      into: new Map(),
      out: new Set(),
      inLoad: 0,
      outLoad: 0,
      activeMs: 0,
      disturbedMs: Number.NEGATIVE_INFINITY,
      taken: new Meter(),
      given: new Meter(),
      level: 0,
      behind: undefined,
      unreached: 0,
      slowOut: false,
    };
    this.nodes.push(node);
    this.byName.set(name, node);
    return node;
  }

  at(index: number): NodeState {
    const node = this.nodes[index];
    if (node === undefined) throw new RangeError(`no node ${index}`);
    return node;
  }

  /** Whether it may receive and send more: to be said after each change of its load, phase or powers. */
  weigh(node: NodeState): void {
    const ready = node.phase === 'ready';
    this.hungry.set(node.index, ready && node.inLoad < this.capacity);
    this.open.set(node.index, ready && node.inLoad < 2 * this.capacity);
    const gives = ready && node.relays && !node.slowOut;
    this.givers.set(node.index, gives);
    this.idle.set(node.index, gives && node.outLoad < this.capacity);
  }

  begin(
    parcel: Parcel,
    route: readonly NodeState[],
    feeders: readonly NodeState[],
    fetch: boolean,
  ): Transfer {
    const held = route.map(({ index }) => parcel.offsets.get(index) ?? 0);
    const offset = parcel.blobs.length === 1 ? Math.min(...held) : 0;
    const transfer: TransferState = {
      id: this.#nextId++,
      parcel,
      fromSource: feeders.length === 0,
      hops: [],
      sourceCharge: 0,
      open: route.length,
      beganMs: undefined,
      reviewedMs: 0,
      cancelled: false,
    };
    route.forEach((node, i) => {
      const before = route[i - 1];
      const charge = parcel.charge;
      const senders = before === undefined ? feeders : [before];
      // To one as slow as itself it gives all that it can
      const slower = node.level - Math.max(0, ...senders.map(({ level }) => level));
      const hop: Hop = {
        transfer,
        node,
        senders,
        rising: node.relays && !node.slowOut && node.level === 0,
        inCharge: charge,
        outCharge: (charge * share(Math.max(0, slower))) / Math.max(1, senders.length),
        offset: held[i] ?? 0,
        held: held[i] ?? 0,
        movedMs: this.nowMs,
        lagSinceMs: undefined,
        ended: false,
      };
      transfer.hops.push(hop);
      node.into.set(parcel, hop);
      node.inLoad += hop.inCharge;
      for (const sender of hop.senders) {
        sender.out.add(hop);
        sender.outLoad += hop.outCharge;
        this.weigh(sender);
      }
      this.weigh(node);
      parcel.waiting.delete(node.index);
      parcel.receiving += 1;
      if (hop.rising) parcel.rising += 1;
      if (hop.rising && transfer.fromSource) parcel.risingFirst += 1;
    });
    if (transfer.fromSource) {
      transfer.sourceCharge = transfer.hops[0]?.outCharge ?? 0;
      this.sourceLoad += transfer.sourceCharge;
    }
    this.transfers.set(transfer.id, transfer);
    return described(transfer, feeders, offset, fetch);
  }

  /** What nodes are getting along chains from the source. */
  *fromSource(): Generator<Hop> {
    for (const { fromSource, hops } of this.transfers.values())
      if (fromSource) for (const hop of hops) if (!hop.ended) yield hop;
  }

  /** What is left of it is little: its node, and who feeds it, may take the next. Answers whether that is new. */
  ease(hop: Hop): boolean {
    if (hop.ended) return false;
    const eased = Math.min(hop.inCharge, 0.25);
    if (eased === hop.inCharge) return false;
    hop.node.inLoad += eased - hop.inCharge;
    hop.inCharge = eased;
    this.weigh(hop.node);
    const easedOut = Math.min(hop.outCharge, eased);
    for (const sender of hop.senders) {
      sender.outLoad += easedOut - hop.outCharge;
      this.weigh(sender);
    }
    hop.outCharge = easedOut;
    const { transfer } = hop;
    if (!transfer.fromSource || transfer.hops[0] !== hop) return true;
    this.sourceLoad += Math.min(0, eased - transfer.sourceCharge);
    transfer.sourceCharge = Math.min(transfer.sourceCharge, eased);
    return true;
  }

  /** Gives back what the hop took of its links. Answers false for one that has ended before. */
  release(hop: Hop): boolean {
    if (hop.ended) return false;
    hop.ended = true;
    const { transfer, node } = hop;
    const { parcel } = transfer;
    node.into.delete(parcel);
    node.inLoad -= hop.inCharge;
    this.weigh(node);
    for (const sender of hop.senders) {
      sender.out.delete(hop);
      sender.outLoad -= hop.outCharge;
      this.weigh(sender);
    }
    parcel.receiving -= 1;
    if (hop.rising) parcel.rising -= 1;
    if (hop.rising && transfer.fromSource) parcel.risingFirst -= 1;
    transfer.open -= 1;
    // The source's part is over when its first hop is
    if (transfer.open === 0 || transfer.hops[0] === hop) {
      this.sourceLoad -= transfer.sourceCharge;
      transfer.sourceCharge = 0;
    }
    return true;
  }
}

function described(
  { id, parcel, hops }: TransferState,
  feeders: readonly NodeState[],
  offset: number,
  fetch: boolean,
): RelayTransfer | FetchTransfer {
  const blobs = parcel.blobs;
  const [feeder] = feeders;
  if (fetch)
    return {
      id,
      kind: 'fetch',
      blobs,
      offset,
      to: hops[0]?.node.name ?? '',
      from: feeders.map(({ name }) => name),
    };
  const from = feeder === undefined ? 'source' : { node: feeder.name };
  return { id, kind: 'relay', blobs, offset, from, route: hops.map(({ node }) => node.name) };
}
