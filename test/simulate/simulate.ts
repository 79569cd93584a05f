import { Plan } from '../../src/distribute/plan.ts';
import {
  type HopResult,
  type PlanEvent,
  type PlanOptions,
  receivers,
  type Transfer,
} from '../../src/distribute/plan-types.ts';
import { Holdings } from './holdings.ts';
import { Network } from './network.ts';
import { offsetAt, type Running, source } from './running.ts';
import type { Scenario } from './scenario.ts';
import { Timeline } from './timeline.ts';

/**
 * Carries a plan out over simulated links: requests with latency, relays with bounded buffers, nodes that die. The plan
 * is the real one; it learns what it would learn in earnest, no sooner. Times in milliseconds, rates in bytes a
 * millisecond.
 */

export interface Simulated {
  /** Until each node that lived had everything; infinite when one never did. */
  readonly timeMs: number;
  /** The same for each node, by its number; of those that died, undefined. */
  readonly doneMs: readonly (number | undefined)[];
  readonly sourceBytes: number;
  readonly deliveredBytes: number;
  /** Of the delivered, what the receiver had already. */
  readonly againBytes: number;
  readonly transfers: number;
  readonly requests: number;
  readonly cancelled: number;
  /** Nodes in the longest chain. */
  readonly longestRoute: number;
  /** The longest time in which a node that lived and lacked something got nothing, after one had gone silent. */
  readonly stoodStillMs: number;
  readonly plannerMs: number;
  /** For who weighs it, and lets it go. */
  plan: Plan | undefined;
}

const phases = 10;

export function simulate(
  scenario: Scenario,
  options: Pick<PlanOptions, 'limits' | 'relay' | 'seed'>,
): Simulated {
  const run = new Simulation(scenario, options);
  return run.toEnd();
}

class Simulation {
  readonly #scenario: Scenario;
  readonly #plan: Plan;
  readonly #timeline = new Timeline();
  readonly #network: Network;
  readonly #holdings: Holdings;
  readonly #running = new Map<number, Running>();
  readonly #numbers: ReadonlyMap<string, number>;
  readonly #dead = new Set<number>();
  readonly #events: PlanEvent[] = [];
  readonly #fedMs: Float64Array;
  readonly #counts = {
    sourceBytes: 0,
    deliveredBytes: 0,
    againBytes: 0,
    transfers: 0,
    requests: 0,
    cancelled: 0,
    longestRoute: 0,
    stoodStillMs: 0,
    plannerMs: 0,
  };
  #now = 0;

  constructor(scenario: Scenario, options: Pick<PlanOptions, 'limits' | 'relay' | 'seed'>) {
    const { nodes, source, model } = scenario;
    this.#scenario = scenario;
    this.#numbers = new Map(nodes.map(({ name }, i) => [name, i]));
    this.#network = new Network(scenario);
    this.#holdings = new Holdings(scenario);
    this.#fedMs = new Float64Array(nodes.length);
    const begun = performance.now();
    this.#plan = new Plan({ ...options, source });
    for (const node of nodes) this.#plan.handle({ type: 'nodeReady', node });
    this.#counts.plannerMs += performance.now() - begun;
    nodes.forEach(({ fails }, i) => {
      if (fails !== undefined) this.#timeline.add(fails.atMs, () => this.#die(i, fails.silently));
    });
    for (let phase = 0; phase < phases; phase += 1)
      this.#timeline.add(model.progressMs * (1 + phase / phases), () => this.#report(phase));
    this.#timeline.add(model.tickMs, () => this.#tick());
  }

  toEnd(): Simulated {
    const { model } = this.#scenario;
    this.#ask();
    const limitMs = 1e9;
    while (!this.#holdings.isComplete && this.#now < limitMs) {
      const next = Math.min(this.#timeline.next, this.#network.nextEnd(this.#now));
      if (next === Number.POSITIVE_INFINITY) break;
      if (this.#network.isStill && this.#running.size === 0 && this.#plan.settled) break;
      this.#advance(Math.max(next, this.#now + model.quantumMs));
      this.#timeline.runUntil(this.#now);
      this.#ask();
    }
    const { timeMs, doneMs } = this.#holdings;
    return { timeMs, doneMs, ...this.#counts, plan: this.#plan };
  }

  #ask(): void {
    if (this.#events.length === 0 && this.#now > 0) return;
    const begun = performance.now();
    for (const event of this.#events.splice(0)) this.#plan.handle(event);
    const actions = this.#plan.next();
    this.#counts.plannerMs += performance.now() - begun;
    for (const action of actions) {
      if (action.type === 'start') this.#start(action.transfer);
      else this.#cancel(action.transfer);
    }
    if (this.#events.length > 0) this.#ask();
  }

  #start(transfer: Transfer): void {
    const { model } = this.#scenario;
    const fedBy =
      transfer.kind === 'fetch'
        ? transfer.from[0]
        : transfer.from === 'source'
          ? undefined
          : transfer.from.node;
    const feeder = fedBy === undefined ? source : this.#number(fedBy);
    const route = receivers(transfer).map((name) => this.#number(name));
    const [blob] = transfer.blobs;
    const size = transfer.blobs.reduce(
      (sum, blob) => sum + blob.size + (transfer.blobs.length > 1 ? model.requestBytes : 0),
      0,
    );
    const running: Running = {
      transfer,
      feeder,
      route,
      held: route.map((i) => (blob === undefined ? 0 : this.#holdings.offsetOf(i, blob.digest))),
      size,
      from: transfer.offset,
      links: this.#network.linksOf(feeder, route),
      rate: 0,
      heldAt: 0,
      sent: 0,
      ahead: 0,
      passed: 0,
      told: [],
      active: false,
      over: false,
    };
    this.#counts.transfers += 1;
    this.#counts.longestRoute = Math.max(this.#counts.longestRoute, route.length);
    this.#counts.requests += transfer.blobs.length;
    this.#running.set(transfer.id, running);
    // If somebody in it is dead, and nobody knew, it stands still there until that is known
    const hasDead = [feeder, ...route].some((i) => this.#dead.has(i));
    const beginMs = model.requestMs + (hasDead ? 0 : transfer.blobs.length * model.blobMs);
    this.#timeline.add(this.#now + beginMs, () => this.#activate(running));
  }

  #activate(running: Running): void {
    if (running.over) return;
    running.active = true;
    this.#network.add(running);
  }

  #advance(to: number): void {
    const { model } = this.#scenario;
    const passed = to - this.#now;
    this.#now = to;
    for (const [flow, bytes] of this.#network.move(passed)) {
      if (flow.feeder === source) this.#counts.sourceBytes += bytes;
      this.#counts.deliveredBytes += bytes * flow.route.length;
      if (bytes > 0) for (const i of flow.route) this.#fed(i);
      this.#passOver(flow);
      if (flow.sent < flow.size - flow.from - 1e-6) continue;
      this.#network.remove(flow);
      // Each node tells of it as it has it; the answer comes when all do
      flow.route.forEach((i, at) => {
        this.#timeline.add(this.#now + model.hopMs * (at + 1) + model.commitMs, () => this.#arrived(flow, i));
      });
      const later = model.hopMs * flow.route.length + model.commitMs;
      this.#timeline.add(this.#now + later, () => this.#complete(flow));
    }
  }

  /** What is in the buffers before the place that holds a chain up may be all of it. */
  #passOver(flow: Running): void {
    while (flow.passed < Math.floor(flow.heldAt / 2) && offsetAt(flow, flow.passed) >= flow.size) {
      const i = flow.route[flow.passed] ?? -1;
      flow.passed += 1;
      this.#timeline.add(this.#now + this.#scenario.model.commitMs, () => this.#arrived(flow, i));
    }
  }

  #fed(i: number): void {
    if (this.#dead.size > 0 && !this.#dead.has(i))
      this.#counts.stoodStillMs = Math.max(this.#counts.stoodStillMs, this.#now - (this.#fedMs[i] ?? 0));
    this.#fedMs[i] = this.#now;
  }

  #complete(running: Running): void {
    if (running.over) return;
    this.#end(running);
    const alive = running.route.filter((i) => !this.#dead.has(i));
    for (const i of alive) this.#received(i, running);
    this.#events.push({
      type: 'transferEnded',
      transfer: running.transfer.id,
      hops: alive.map((i) => ({ node: this.#name(i), result: { ok: true } satisfies HopResult })),
    });
  }

  #arrived(running: Running, i: number): void {
    if (running.over || this.#dead.has(i)) return;
    this.#received(i, running);
    const node = this.#name(i);
    this.#events.push({ type: 'hopEnded', transfer: running.transfer.id, node, result: { ok: true } });
  }

  #received(i: number, { transfer }: Running): void {
    for (const { digest } of transfer.blobs) this.#holdings.received(i, digest, this.#now);
  }

  #cancel(id: number): void {
    const running = this.#running.get(id);
    if (running === undefined) return;
    this.#counts.cancelled += 1;
    this.#end(running);
    const hops = running.route.map((i, at) => this.#cut(running, i, at));
    this.#events.push({ type: 'transferEnded', transfer: id, hops });
  }

  #cut(running: Running, i: number, at: number) {
    const offset = offsetAt(running, at);
    const [blob, another] = running.transfer.blobs;
    const isAlone = blob !== undefined && another === undefined;
    if (isAlone) this.#holdings.keep(i, blob.digest, offset);
    const kept = isAlone ? offset : 0;
    return { node: this.#name(i), result: { ok: false, offset: kept, reason: 'route' } satisfies HopResult };
  }

  #end(running: Running): void {
    running.over = true;
    this.#running.delete(running.transfer.id);
    this.#network.remove(running);
    const moved = running.sent;
    running.route.forEach((_, at) => {
      // What it held beyond the common beginning, or what had to be sent anew
      this.#counts.againBytes += Math.min(moved, Math.max(0, (running.held[at] ?? 0) - running.from));
    });
  }

  /** Each node tells how far it got a few times a second, but not all at the same moment. */
  #report(phase: number): void {
    const { progressMs } = this.#scenario.model;
    for (const running of this.#running.values()) {
      if (!running.active || running.transfer.blobs.length > 1) continue;
      running.route.forEach((i, at) => {
        if (this.#dead.has(i) || i % phases !== phase) return;
        const offset = offsetAt(running, at);
        if (running.told[at] === offset) return;
        running.told[at] = offset;
        const event = { type: 'progress', transfer: running.transfer.id, node: this.#name(i) } as const;
        this.#events.push({ ...event, offset, atMs: this.#now });
      });
    }
    this.#timeline.add(this.#now + progressMs, () => this.#report(phase));
  }

  #tick(): void {
    this.#events.push({ type: 'time', atMs: this.#now });
    this.#timeline.add(this.#now + this.#scenario.model.tickMs, () => this.#tick());
  }

  #die(i: number, silently: boolean): void {
    const { model } = this.#scenario;
    if (this.#dead.has(i)) return;
    this.#dead.add(i);
    this.#holdings.died(i, this.#now);
    if (silently) {
      this.#network.shut(i);
      this.#timeline.add(this.#now + model.stallMs, () => this.#knownDead(i));
      return;
    }
    this.#breakAt(i, false);
    this.#timeline.add(this.#now + model.resetMs, () => this.#knownDead(i));
  }

  #knownDead(i: number): void {
    this.#breakAt(i, true);
    this.#events.push({ type: 'nodeFailed', node: this.#name(i) });
  }

  /** Cuts the chains through a node there; those before it go on. */
  #breakAt(i: number, tell: boolean): void {
    for (const running of [...this.#running.values()]) {
      const at = running.feeder === i ? 0 : running.route.indexOf(i);
      if (at < 0) continue;
      const behind = running.route.slice(at);
      const tail = behind.map((node, j) => this.#cut(running, node, at + j));
      const told = () => {
        for (const { node, result } of tail)
          if (!this.#dead.has(this.#number(node)))
            this.#events.push({ type: 'hopEnded', transfer: running.transfer.id, node, result });
      };
      if (tell) told();
      else this.#timeline.add(this.#now + this.#scenario.model.resetMs, told);
      if (at === 0) {
        this.#end(running);
        continue;
      }
      this.#network.shorten(running, at);
    }
  }

  #number(name: string): number {
    return this.#numbers.get(name) ?? source;
  }

  #name(i: number): string {
    return this.#scenario.nodes[i]?.name ?? '';
  }
}
