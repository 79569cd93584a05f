import { Meter } from './plan-meter.ts';
import { type Hop, type PlanState, silentLevel, type TransferState } from './plan-state.ts';

/** A chain is looked at this often, in milliseconds. */
const reviewMs = 250;
/** A hop behind the one before it by this much, for `lagMs`, is where the chain is held up. */
const lagBytes = 2 * 1024 * 1024;
const lagMs = 500;
const headMs = 2_500;
/** A chain that is given up leaves its nodes busy with what was on its way for so long: that says nothing of them. */
const settleMs = 2_000;
/** As much as this stands in the buffers before a slow node, and holds up nobody. */
const bufferedBytes = 6 * 1024 * 1024;
const headLowMs = 1_000;
/** Nothing at all for this long, and others move: it is not waited for. */
const stuckMs = 1_500;
const lookMs = 250;
/** More than is on its way between two hops that both work. */
const gapBytes = 256 * 1024;
/** Slow: below this part of what the quickest take. Between the two, nothing changes. */
const slowBelow = 0.3;
const quickAbove = 0.65;
/** With so much left of a transfer, or so little time, the next begins; nodes are heard of at least this often. */
const nearlyBytes = 1.5 * 1024 * 1024;
const nearlyMs = 60;
const unheardMs = 400;
const keptPerSecond = 0.85;

/**
 * Finds the nodes that are slow. In a chain nobody is quicker than the slowest; but what stands between a hop and the
 * next, in buffers, grows until it is full where the chain is held up, and nowhere else. The hop behind that place is
 * slow unless its link, or that of the one before it, is merely busy with other transfers.
 */
export class Pace {
  readonly #state: PlanState;
  readonly #source = new Meter();
  /** What the quickest nodes take of late, in bytes a millisecond. */
  #best = 0;
  #bestMs = 0;
  #lookedMs = 0;
  /** When anything was last heard to move. */
  #movedMs = 0;

  constructor(state: PlanState) {
    this.#state = state;
  }

  /** So little is left of it, as far as can be told between two reports, that its links are to have the next. */
  isNearlyDone({ offset, movedMs, transfer, node, ended }: Hop): boolean {
    if (ended || offset === 0) return false;
    const rate = node.taken.latest / Math.max(1, node.into.size);
    const since = Math.min(unheardMs, this.#state.nowMs - movedMs);
    const left = transfer.parcel.size - offset - since * rate;
    return left <= Math.max(nearlyBytes, nearlyMs * rate);
  }

  /** Answers the transfers to cancel, because a node in them was found to be slow. */
  progress(hop: Hop, offset: number, atMs: number): readonly TransferState[] {
    const { transfer, node } = hop;
    const bytes = Math.max(0, offset - hop.offset);
    hop.offset += bytes;
    this.#state.nowMs = Math.max(this.#state.nowMs, atMs);
    if (bytes > 0) this.#moved(hop, atMs);
    transfer.beganMs ??= atMs;
    node.taken.add(bytes, atMs);
    if (hop.senders.length === 0) this.#source.add(bytes, atMs);
    for (const sender of hop.senders) sender.given.add(bytes / hop.senders.length, atMs);
    this.#compare(hop, atMs);
    if (atMs - transfer.reviewedMs < reviewMs) return [];
    transfer.reviewedMs = atMs;
    return this.#review(transfer, atMs);
  }

  #moved(hop: Hop, atMs: number): void {
    this.#movedMs = atMs;
    hop.movedMs = atMs;
    for (const node of [hop.node, ...hop.senders]) {
      node.activeMs = atMs;
      // It does not hang: how quick it is will be seen
      if (node.level === silentLevel) node.level = 0;
    }
  }

  /**
   * Finds who hangs: nothing comes to it, though the one before it has more, and nothing of it is heard elsewhere.
   * Answers the transfers that wait for it; others need not wait until whoever carries out the plan gives it up.
   */
  stuck(): readonly TransferState[] {
    const now = this.#state.nowMs;
    if (now - this.#lookedMs < lookMs) return [];
    this.#lookedMs = now;
    const found: TransferState[] = [];
    for (const transfer of this.#state.transfers.values()) {
      if (transfer.cancelled || transfer.parcel.blobs.length > 1) continue;
      const at = transfer.hops.findIndex((hop, i) => this.#standsStill(hop, transfer.hops[i - 1]));
      const hop = transfer.hops[at];
      if (hop === undefined) continue;
      // Between one that takes nothing and one that gives nothing: of which nothing was heard for longer
      const node = [hop.node, ...(at === 0 ? hop.senders : [])].reduce((a, b) =>
        b.activeMs < a.activeMs ? b : a,
      );
      if (node.level > 0 || now - node.activeMs < stuckMs) continue;
      node.level = silentLevel;
      const through = [...node.into.values(), ...node.out].map((other) => other.transfer);
      found.push(...through.filter(({ hops }) => hops.some((other) => other.node !== node && !other.ended)));
    }
    return found;
  }

  #standsStill(hop: Hop, before: Hop | undefined): boolean {
    const { ended, movedMs, offset, transfer, senders } = hop;
    if (ended || this.#state.nowMs - movedMs < stuckMs || offset >= transfer.parcel.size) return false;
    if (before !== undefined) return before.ended || isAhead(before, hop, gapBytes);
    return senders.length > 0 || this.#state.nowMs - this.#movedMs < stuckMs;
  }

  #compare(hop: Hop, atMs: number): void {
    const { rate, steady = 0 } = hop.node.taken;
    this.#best = Math.max(this.#best * keptPerSecond ** (Math.max(0, atMs - this.#bestMs) / 1000), steady);
    this.#bestMs = Math.max(this.#bestMs, atMs);
    if (hop.node.level > 0 && rate !== undefined) this.#again(hop, rate);
  }

  /** A slow node by itself shows how slow it is; or that it never was. */
  #again({ node, transfer }: Hop, taken: number): void {
    if (transfer.hops.length > 1) return;
    if (taken < quickAbove * this.#best) {
      // One that is busy giving may be held back by its peer's link
      node.level = Math.max(1, Math.min(node.level, this.#levelOf(taken)));
      return;
    }
    node.level = 0;
    const { behind } = node;
    if (behind === undefined || transfer.hops[0]?.senders.includes(behind)) return;
    behind.slowOut = true;
    this.#state.weigh(behind);
  }

  #review(transfer: TransferState, atMs: number): readonly TransferState[] {
    let held = false;
    for (const [i, hop] of transfer.hops.entries()) {
      const before = transfer.hops[i - 1];
      if (before === undefined || hop.ended) continue;
      const lags = isAhead(before, hop, lagBytes);
      held ||= lags;
      if (!lags) hop.lagSinceMs = undefined;
      else hop.lagSinceMs ??= atMs;
      if (hop.lagSinceMs === undefined || atMs - hop.lagSinceMs < lagMs) continue;
      if (this.#isSlow(hop)) return this.#mark(hop);
    }
    const [head] = transfer.hops;
    if (head === undefined || head.ended || head.senders.length > 0 || transfer.hops.length === 1) return [];
    if (held || !this.#isSlow(head)) {
      head.lagSinceMs = undefined;
      return [];
    }
    head.lagSinceMs ??= atMs;
    if (atMs - head.lagSinceMs < headLowMs || atMs - (transfer.beganMs ?? atMs) < headMs) return [];
    if (transfer.parcel.size - head.offset < lagBytes) return [];
    // Without a place where it is held up, it is the way to the first; a node that feeds may have other things to do
    return this.#mark(head);
  }

  #isSlow({ node, senders }: Hop): boolean {
    if (node.level > 0 || this.#state.nowMs - node.disturbedMs < settleMs) return false;
    const isLow = ({ rate }: Meter) => rate !== undefined && rate < slowBelow * this.#best;
    return (
      isLow(node.taken) &&
      (senders.length === 0 ? isLow(this.#source) : senders.every(({ given }) => isLow(given)))
    );
  }

  #mark(hop: Hop): readonly TransferState[] {
    const { node } = hop;
    node.level = Math.max(1, this.#levelOf(node.taken.latest));
    [node.behind] = hop.senders;
    const found = [...node.into.values()].filter(holdsUp).map(({ transfer }) => transfer);
    for (const { hops } of found) for (const other of hops) other.node.disturbedMs = this.#state.nowMs;
    return found;
  }

  #levelOf(rate: number): number {
    return Math.max(0, Math.min(silentLevel - 1, Math.round(Math.log2(this.#best / Math.max(rate, 1e-9)))));
  }
}

/** Whether others wait for it: those behind it, and those before it once the buffers are full. */
function holdsUp({ transfer: { hops, parcel }, node, offset }: Hop): boolean {
  const at = hops.findIndex((hop) => hop.node === node);
  const waits = hops.filter(({ ended }, i) => !ended && i !== at);
  return (
    waits.length > 0 &&
    (hops.slice(at + 1).some(({ ended }) => !ended) || parcel.size - offset > bufferedBytes)
  );
}

/** That it held more before this began does not say that it has more of it to give. */
function isAhead(before: Hop, { offset }: Hop, bytes: number): boolean {
  return before.offset > before.held && before.offset - offset >= bytes;
}
