import type { Digest } from '../image/digest.ts';
import { NodeSet } from './plan-node-set.ts';
import { type LooseBlob, makeParcels } from './plan-parcels.ts';
import type { NodeState, Parcel, PlanState } from './plan-state.ts';
import type { PlanBlob, PlanNode } from './plan-types.ts';

/**
 * Who lacks which blob, who can give it, and how much of it is where. A blob is loose until somebody lacks it; then it
 * goes into a parcel, and stays there.
 */
export class Stock {
  readonly #state: PlanState;
  readonly #loose = new Map<Digest, LooseBlob>();
  /** Somebody may wait for them. */
  readonly #open = new Set<Parcel>();
  #order = 0;

  constructor(state: PlanState) {
    this.#state = state;
  }

  sourceHas(blobs: readonly PlanBlob[]): void {
    for (const { digest, size } of blobs) {
      const parcel = this.#state.parcelOf.get(digest);
      if (parcel === undefined)
        Object.assign(this.#blob(digest, size), { fromSource: true, order: this.#order++ });
      else if (parcel.blobs.length === 1) parcel.fromSource = true;
    }
  }

  /** All that is known of what a node has and lacks, in the place of what was known. */
  restate(node: NodeState, has: readonly Digest[], lacks: PlanNode['lacks']): void {
    this.forget(node);
    for (const digest of has) this.#holds(node, digest);
    this.lacks(node, lacks);
    if (has.length > 0) this.#holdsWholeParcels(node, new Set(has));
  }

  /** What a node lacks beside what was known. */
  lacks(node: NodeState, blobs: PlanNode['lacks']): void {
    if (node.phase === 'failed') return;
    for (const { digest, size, offset } of blobs) {
      const parcel = this.#state.parcelOf.get(digest);
      if (parcel !== undefined) {
        parcel.holders.delete(node.index);
        if (!node.into.has(parcel)) this.awaits(node, parcel, offset);
        continue;
      }
      const blob = this.#blob(digest, size);
      blob.holders.delete(node.index);
      blob.lackers.add(node.index);
      if (offset > 0) blob.offsets.set(node.index, offset);
    }
  }

  /** A node, which is not getting it now, is to get a parcel; of the blob, when it is one, it holds `offset` bytes. */
  awaits({ index }: NodeState, parcel: Parcel, offset: number): void {
    parcel.waiting.add(index);
    this.#open.add(parcel);
    if (parcel.blobs.length === 1 && offset > 0) parcel.offsets.set(index, offset);
  }

  forget({ index }: NodeState): void {
    for (const { waiting, holders, offsets, unpulled } of this.#state.parcels) {
      waiting.delete(index);
      unpulled.delete(index);
      holders.delete(index);
      offsets.delete(index);
    }
    for (const { lackers, holders, offsets } of this.#loose.values()) {
      lackers.delete(index);
      holders.delete(index);
      offsets.delete(index);
    }
  }

  /** What became known to be lacked since the last time is put into parcels. */
  takeIn(): void {
    const blobs = [...this.#loose.values()].filter(({ lackers }) => lackers.size > 0);
    if (blobs.length === 0) return;
    const parcels = makeParcels(blobs, this.#state.parcels.length);
    for (const parcel of parcels) {
      this.#state.parcels.push(parcel);
      this.#open.add(parcel);
      for (const { digest } of parcel.blobs) {
        this.#state.parcelOf.set(digest, parcel);
        this.#loose.delete(digest);
      }
    }
  }

  /** Parcels that somebody waits for. */
  waiting(): readonly Parcel[] {
    for (const parcel of this.#open) if (parcel.waiting.size === 0) this.#open.delete(parcel);
    return [...this.#open];
  }

  /** Whether anybody lacks anything that is not under way. */
  get isLacked(): boolean {
    for (const { lackers } of this.#loose.values()) if (lackers.size > 0) return true;
    for (const { waiting } of this.#open) if (waiting.size > 0) return true;
    return false;
  }

  #holds(node: NodeState, digest: Digest): void {
    if (!node.relays || this.#state.parcelOf.has(digest)) return;
    this.#blob(digest, 0).holders.add(node.index);
  }

  #holdsWholeParcels(node: NodeState, has: ReadonlySet<Digest>): void {
    if (!node.relays) return;
    for (const parcel of this.#state.parcels)
      if (!parcel.waiting.has(node.index) && parcel.blobs.every(({ digest }) => has.has(digest)))
        parcel.holders.add(node.index);
  }

  #blob(digest: Digest, size: number): LooseBlob {
    const known = this.#loose.get(digest);
    if (known !== undefined) return Object.assign(known, { size: Math.max(known.size, size) });
    const blob: LooseBlob = {
      digest,
      size,
      fromSource: false,
      order: 1e9 + this.#order++,
      lackers: new NodeSet(),
      holders: new NodeSet(),
      offsets: new Map(),
    };
    this.#loose.set(digest, blob);
    return blob;
  }
}
