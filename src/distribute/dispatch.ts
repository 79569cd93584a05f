import type { RegistrySource } from '../agent-api/registry-source.ts';
import { hopBytes } from '../agent-api/relay.ts';
import { ImgctlError, toImgctlError } from '../errors.ts';
import type { Digest } from '../image/digest.ts';
import type { BlobSource } from '../image/source.ts';
import type { SourceCheck } from '../transfer/source-check.ts';
import type { WireEncoding } from '../transfer/wire-encoding.ts';
import { AwakeClock } from './awake-clock.ts';
import { carry, type Stop } from './carry.ts';
import { silent, silentMs, unobtainable, unpullable, unreached } from './dispatch-errors.ts';
import type { HopEnd } from './hop-result.ts';
import { type Customer, Order } from './order.ts';
import { Plan } from './plan.ts';
import { type PlanBlob, type PlanNode, receivers, type Transfer } from './plan-types.ts';
import { Receipts } from './receipts.ts';
import { RollCall } from './roll-call.ts';
import type { Turns } from './turns.ts';

/**
 * The plan is told this often what time it is, in milliseconds: where nothing moves, nothing else tells it. As often the
 * clocks of nodes that wait for their turn are wound up: they do not stall.
 */
const tickMs = 500;

export interface DispatchOptions {
  readonly source: BlobSource;
  readonly check: SourceCheck;
  readonly wire: WireEncoding;
  readonly nodes: readonly string[];
  /** What nodes may have to give to each other. */
  readonly layers: readonly Digest[];
  readonly relay: 'auto' | 'off';
  /** Where nodes read the source themselves. */
  readonly registry?: ((digest: Digest) => RegistrySource) | undefined;
  /** Which layers wait until others are with all nodes; absent: none. */
  readonly turns?: Turns | undefined;
  /** Large blobs at once over a link, where that was asked for. */
  readonly concurrency?: number | undefined;
  readonly signal: AbortSignal;
}

interface Underway {
  readonly transfer: Transfer;
  readonly abort: AbortController;
}

/**
 * Carries the plan out: nodes come with what they lack, and wait until they have it. What was found out about one
 * transfer becomes an event of the plan, and what the plan wants next is begun.
 */
export class Dispatch implements Disposable {
  readonly #options: DispatchOptions;
  readonly #plan: Plan;
  readonly #stops = new Map<string, Customer>();
  readonly #orders = new Map<string, Order>();
  readonly #receipts = new Receipts();
  readonly #under = new Map<number, Underway>();
  readonly #heard = new Map<string, number>();
  /** Why a node did not get it from its registry, last. */
  readonly #unpulled = new Map<Digest, ImgctlError>();
  readonly #urls = new Map<string, string>();
  readonly #rollCall: RollCall;
  /** What the plan knows the source to have. */
  readonly #offered: Set<Digest>;
  readonly #clock = new AwakeClock();
  readonly #ticking: NodeJS.Timeout;
  #pumping = false;

  constructor(options: DispatchOptions) {
    this.#options = options;
    const { layers, relay, concurrency } = options;
    // In the order of the archive; what else nodes lack is offered when they say so
    const offered = this.#blobsOf(layers.filter((digest) => options.turns?.holds(digest) !== true));
    this.#offered = new Set(offered.map(({ digest }) => digest));
    this.#plan = new Plan({ source: offered, relay, limits: { concurrency } });
    const waits = relay === 'auto' && options.nodes.length > 1;
    this.#rollCall = new RollCall({ nodes: options.nodes, waits, onAnswer: () => this.#pump() });
    this.#ticking = setInterval(() => this.#tick(), tickMs);
  }

  /**
   * Brings a node what it lacks. Resolves when it was given all of it.
   * @throws ImgctlError why it was not, and the signal's reason
   */
  async bring(customer: Customer): Promise<void> {
    const { name, lacks, relays, fetches, leads, signal } = customer;
    signal.throwIfAborted();
    const held = this.#receipts.come(customer);
    this.#stops.set(name, customer);
    const order = new Order(customer);
    this.#orders.set(name, order);
    this.hear(name);
    const { turns, registry } = this.#options;
    // The plan would put small blobs of different turns into one parcel
    const now = lacks.filter(({ digest }) => turns?.holds(digest) !== true);
    this.#offer(now.map(({ digest }) => digest));
    const hop = hopBytes({ node: name, url: customer.url, import: customer.handle.id });
    const pulls = registry === undefined || customer.pulls === true;
    const node: PlanNode = { name, lacks: now, has: held, relays, fetches, leads, pulls, hopBytes: hop };
    this.#plan.handle({ type: 'nodeReady', node });
    // Its import may end well while others still get from it what it has
    const abort = () => {
      if (order.open.size > 0) this.#fail(name, signal.reason);
    };
    signal.addEventListener('abort', abort, { once: true });
    try {
      this.#rollCall.answered(name);
      await order.done.promise;
    } finally {
      signal.removeEventListener('abort', abort);
      if (this.#orders.get(name) === order) this.#orders.delete(name);
    }
  }

  /** A node lacks nothing, and has this to give to others. */
  holds(stop: Pick<Stop, 'name' | 'url'>, has: readonly Digest[]): void {
    const { name, url } = stop;
    this.#receipts.holds(name, has);
    this.#urls.set(name, url);
    this.#plan.handle({ type: 'nodeReady', node: { name, lacks: [], has, relays: true, fetches: true } });
    this.#rollCall.answered(name);
  }

  /** What a node that lacks `lacks` may hold, and others want from it. */
  mayHold(lacks: readonly Digest[]): readonly Digest[] {
    const lacking = new Set(lacks);
    return this.#options.layers.filter((digest) => !lacking.has(digest));
  }

  /** The node gave a sign of life. */
  hear(node: string): void {
    this.#heard.set(node, this.#clock.now());
  }

  /**
   * The node got as far as `offset` with a blob, as its import's events tell. Of a route that failed before it, and of the
   * one that took its place, it does not tell which brought the bytes: the plan knows which still counts.
   */
  progress(node: string, digest: Digest, offset: number): void {
    const into = [...this.#under.values()].filter(
      ({ transfer }) =>
        transfer.blobs.some((blob) => blob.digest === digest) && receivers(transfer).includes(node),
    );
    const latest = into.at(-1);
    if (latest === undefined) return;
    const { transfer } = latest;
    this.#count(transfer, node, digest, offset);
    for (const { transfer } of into)
      this.#plan.handle({ type: 'progress', transfer: transfer.id, node, offset, atMs: this.#clock.now() });
    const size = transfer.blobs.find((blob) => blob.digest === digest)?.size;
    if (size !== undefined && offset >= size) {
      // It is there, verified: those behind it, or one that hangs, need not be waited for
      this.#arrived(node, [digest]);
      for (const { transfer } of into)
        if (this.#receipts.hasAll(node, transfer.blobs))
          this.#plan.handle({ type: 'hopEnded', transfer: transfer.id, node, result: { ok: true } });
    }
    this.#pump();
  }

  /** The node will not come (again): nothing waits for it, and nothing goes through it. */
  gone(name: string): void {
    if (this.#stops.has(name)) this.#plan.handle({ type: 'nodeFailed', node: name });
    this.#rollCall.answered(name);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#ticking);
    this.#rollCall[Symbol.dispose]();
    for (const { abort } of this.#under.values())
      abort.abort(new ImgctlError('interrupted', 'the import has ended'));
  }

  #blobsOf(digests: readonly Digest[]): PlanBlob[] {
    return digests.flatMap((digest) => {
      const size = this.#options.source.sizeOf(digest);
      return size === undefined ? [] : [{ digest, size }];
    });
  }

  /** The source has it: what the plan knows already is not told again. */
  #offer(digests: readonly Digest[]): void {
    const blobs = this.#blobsOf(digests.filter((digest) => !this.#offered.has(digest)));
    for (const { digest } of blobs) this.#offered.add(digest);
    if (blobs.length > 0) this.#plan.handle({ type: 'sourceHas', blobs });
  }

  /** Before any node has come nobody waits for anything, which says nothing. */
  #takeTurns(): void {
    if (this.#orders.size === 0) return;
    const isAwaited = (digest: Digest) => this.#orders.values().some(({ open }) => open.has(digest));
    const come = new Set(this.#options.turns?.next(isAwaited));
    if (come.size === 0) return;
    this.#offer([...come]);
    for (const [node, { customer, open }] of this.#orders) {
      const blobs = customer.lacks.filter(({ digest }) => come.has(digest) && open.has(digest));
      if (blobs.length > 0) this.#plan.handle({ type: 'nodeLacks', node, blobs });
    }
  }

  /** Events that come together are planned for together. */
  #pump(): void {
    if (this.#pumping || !this.#rollCall.isOver) return;
    this.#pumping = true;
    queueMicrotask(() => {
      this.#pumping = false;
      // What begins now begins at this time
      this.#plan.handle({ type: 'time', atMs: this.#clock.now() });
      this.#takeTurns();
      for (const action of this.#plan.next()) {
        if (action.type === 'start') void this.#carry(action.transfer);
        else
          this.#under
            .get(action.transfer)
            ?.abort.abort(new ImgctlError('interrupted', 'another route is better'));
      }
      this.#tellUnobtainable();
    });
  }

  async #carry(transfer: Transfer): Promise<void> {
    const abort = new AbortController();
    this.#under.set(transfer.id, { transfer, abort });
    const { check, wire, registry, signal } = this.#options;
    let ends: readonly HopEnd[] = [];
    try {
      ends = await carry(transfer, {
        check,
        wire,
        registry,
        signal: AbortSignal.any([signal, abort.signal]),
        stop: (node) => this.#stop(node),
        url: (node) => this.#urls.get(node) ?? this.#stop(node).url,
      });
    } catch (thrown) {
      // The source is unsound: that is everybody's matter
      for (const name of this.#orders.keys()) this.#fail(name, toImgctlError(thrown));
    }
    this.#under.delete(transfer.id);
    for (const end of ends) this.#settle(transfer, end, abort.signal.aborted);
    this.#plan.handle({ type: 'transferEnded', transfer: transfer.id, hops: ends });
    // Nobody gets through to it: it is asked by its own loop whether it is there
    for (const { node, error } of ends)
      if (this.#orders.has(node) && this.#plan.isInDoubt(node))
        this.#fail(node, this.#whyNotReached(node, transfer, error));
    this.#pump();
  }

  #whyNotReached(node: string, { blobs }: Transfer, error: ImgctlError | undefined): ImgctlError {
    const lost = blobs.find(({ digest }) => this.#options.source.sizeOf(digest) === undefined);
    if (lost !== undefined && error?.context.phase === 'fetch') return unobtainable(node, lost.digest, error);
    return error ?? unreached();
  }

  /** What it has more than before came from the peer that the transfer has before it, if there is one. */
  #count(transfer: Transfer, node: string, digest: Digest, offset: number): void {
    const more = this.#receipts.got(node, digest, offset);
    if (more === 0) return;
    const isFirst = transfer.from === 'source' && receivers(transfer)[0] === node;
    if (!isFirst) this.#stops.get(node)?.fetched(more);
    else if (this.#options.registry !== undefined) this.#stops.get(node)?.pulled?.(more);
  }

  /** `givenUp`: by the plan, which says nothing of the node. */
  #settle(transfer: Transfer, { node, result, error }: HopEnd, givenUp = false): void {
    const { blobs } = transfer;
    const order = this.#orders.get(node);
    if (result.ok) {
      for (const { digest, size } of blobs) this.#count(transfer, node, digest, size);
      this.#arrived(
        node,
        blobs.map(({ digest }) => digest),
      );
      return;
    }
    // It may have come by another way meanwhile
    if (order === undefined || !blobs.some(({ digest }) => order.open.has(digest))) return;
    const [{ digest } = { digest: undefined }] = blobs;
    if (digest !== undefined && blobs.length === 1) this.#count(transfer, node, digest, result.offset ?? 0);
    const at = digest === undefined ? 0 : this.#receipts.offsetOf(node, digest);
    const inVain = digest !== undefined && !givenUp && order.triedInVain(digest, at);
    if (digest !== undefined && error !== undefined) order.ungiven.set(digest, error);
    if (error !== undefined && result.reason === 'source')
      for (const { digest } of blobs) this.#unpulled.set(digest, error);
    if (result.reason === 'node' || inVain) this.#fail(node, error ?? unreached());
  }

  #arrived(node: string, digests: readonly Digest[]): void {
    const order = this.#orders.get(node);
    for (const digest of digests) {
      this.#receipts.arrived(node, digest);
      order?.open.delete(digest);
    }
    if (order?.open.size === 0) order.done.resolve();
  }

  #fail(name: string, reason: unknown): void {
    this.#orders.get(name)?.done.reject(reason);
    this.#orders.delete(name);
    for (const { transfer, abort } of this.#under.values())
      if (receivers(transfer)[0] === name) abort.abort(new ImgctlError('interrupted', 'the node has failed'));
    if (this.#stops.has(name)) this.#plan.handle({ type: 'nodeFailed', node: name });
    this.#pump();
  }

  #tellUnobtainable(): void {
    const { registry } = this.#options;
    // One that has not come yet may pull it for the others
    if (registry !== undefined && !this.#rollCall.isComplete) return;
    for (const { node, digests } of this.#plan.unobtainable()) {
      const ungiven = this.#orders.get(node)?.ungiven;
      const digest = digests.find((digest) => ungiven?.has(digest)) ?? digests[0];
      if (digest === undefined) continue;
      const cause = this.#unpulled.get(digest) ?? ungiven?.get(digest);
      this.#fail(node, (registry === undefined ? unobtainable : unpullable)(node, digest, cause));
    }
  }

  #tick(): void {
    this.#touchWaiting(this.#clock.now() - silentMs);
    this.#pump();
  }

  #touchWaiting(recently: number): void {
    const alone = new Set<string>();
    for (const { transfer } of this.#under.values()) for (const name of fedAlone(transfer)) alone.add(name);
    // What is passed on is watched over by the agents, as long as they are alive themselves
    for (const [name, { customer }] of this.#orders) {
      const isAlive = (this.#heard.get(name) ?? 0) > recently;
      if (isAlive && !alone.has(name)) customer.touch();
      // Those behind it on a route must not wait until it is given up by the node before it
      if (!isAlive) this.#fail(name, silent());
    }
  }

  #stop(node: string): Stop {
    const stop = this.#stops.get(node);
    if (stop === undefined) throw new RangeError(`nothing is known of ${node}`);
    return stop;
  }
}

/** Whoever holds nobody up but itself: of these nothing else shows that they hang, or their store. */
function fedAlone(transfer: Transfer): readonly string[] {
  const all = receivers(transfer);
  return transfer.from === 'source' ? all.slice(0, 1) : all;
}
