import { Plan } from '../../src/distribute/plan.ts';
import {
  type HopResult,
  type PlanBlob,
  type PlanNode,
  type PlanOptions,
  receivers,
  type Transfer,
} from '../../src/distribute/plan-types.ts';
import type { Digest } from '../../src/image/digest.ts';
import { seeded } from '../simulate/random.ts';

/**
 * Carries out a plan in a world where anything may end, fail or die at any moment, as a seed has it, and holds the plan
 * to its promises at each step.
 */

export interface WorldOptions {
  readonly nodes: readonly PlanNode[];
  readonly source: readonly PlanBlob[];
  readonly relay?: PlanOptions['relay'];
  readonly limits?: PlanOptions['limits'];
  readonly seed: number;
  /** The chance of a hop to fail, by reason, and of a node to die at a step. */
  /** So much time passes at a step, told of with how far some got. In milliseconds; absent: no time is told. */
  readonly everyMs?: number;
  readonly fails?: {
    readonly node?: number;
    readonly link?: number;
    /** Of the first of a route: to get it from the source. */
    readonly source?: number;
    readonly dies?: number;
  };
}

export interface World {
  readonly broken: readonly string[];
  readonly settled: boolean;
  readonly dead: ReadonlySet<string>;
  readonly started: readonly Transfer[];
  readonly holds: ReadonlyMap<string, ReadonlySet<Digest>>;
  readonly sourceSent: ReadonlyMap<Digest, number>;
}

const stepLimit = 20_000;

/** What agents take as the head of a request that names a route. */
const headerBytes = 12 * 1024;

export function live({
  nodes,
  source,
  relay = 'auto',
  limits,
  seed,
  everyMs,
  fails = {},
}: WorldOptions): World {
  const random = seeded(seed);
  const plan = new Plan({ source, relay, limits, seed });
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const holds = new Map(nodes.map(({ name, has }) => [name, new Set(has)]));
  const running = new Map<number, { transfer: Transfer; feeders: readonly string[]; route: string[] }>();
  const doubtful = new Set<string>();
  const dead = new Set<string>();
  const started: Transfer[] = [];
  const cancelled: number[] = [];
  let clockMs = 0;
  const broken: string[] = [];
  const sourceSent = new Map<Digest, number>();
  const must = (kept: boolean, promise: string) => {
    if (!kept) broken.push(promise);
  };
  const offsets = new Map<string, number>();
  const now = (node: PlanNode): PlanNode => ({
    ...node,
    has: [...(holds.get(node.name) ?? [])],
    lacks: node.lacks
      .filter(({ digest }) => holds.get(node.name)?.has(digest) === false)
      .map((blob) => ({ ...blob, offset: offsets.get(`${node.name} ${blob.digest}`) ?? blob.offset })),
  });

  const check = (transfer: Transfer, feeders: readonly string[], route: readonly string[]) => {
    const large = transfer.blobs.length === 1;
    for (const { digest } of transfer.blobs) {
      for (const feeder of feeders)
        must(holds.get(feeder)?.has(digest) === true, `${feeder} is to give what it lacks`);
      for (const other of running.values())
        for (const node of other.route)
          must(
            !route.includes(node) || !other.transfer.blobs.some((blob) => blob.digest === digest),
            `${node} gets a blob twice at once`,
          );
      if (feeders.length === 0) {
        must(byName.get(route[0] ?? '')?.pulls !== false, `${route[0]} gets nothing from the source`);
        must(
          source.some((blob) => blob.digest === digest),
          'the source is to give what it lacks',
        );
        sourceSent.set(digest, (sourceSent.get(digest) ?? 0) + 1);
        const giver = nodes.find(
          ({ name, relays }) =>
            relays && !dead.has(name) && !doubtful.has(name) && holds.get(name)?.has(digest),
        );
        if (relay === 'auto' && large && fails.link === undefined && everyMs === undefined)
          must(giver === undefined, `the source sends what ${giver?.name} holds`);
      }
    }
    for (const node of [...feeders, ...route])
      must(!dead.has(node) && !doubtful.has(node), `${node} cannot take part`);
    for (const node of [...feeders, ...route.slice(0, -1)])
      must(byName.get(node)?.relays === true, `${node} cannot pass on`);
    must(route.length <= (limits?.chainLength ?? 60), 'a chain is longer than it may be');
    const named = route.slice(1).reduce((sum, name) => sum + (byName.get(name)?.hopBytes ?? 0), 0);
    must(named <= headerBytes, 'a chain is longer than a request can name');
    if (feeders.length > 0 && route.length > 1)
      must(byName.get(route[0] ?? '')?.leads === true, `${route[0]} cannot pass on what it fetches`);
    must(new Set(route).size === route.length, 'a route goes through a node twice');
    if (transfer.kind === 'fetch')
      must(byName.get(transfer.to)?.fetches === true, `${transfer.to} cannot fetch`);
    if (large)
      for (const node of route)
        must(
          transfer.offset <= (offsets.get(`${node} ${transfer.blobs[0]?.digest}`) ?? 0),
          `${node} holds less`,
        );
    if (relay === 'off') must(feeders.length === 0 && route.length === 1, 'something is relayed');
  };

  const carryOut = () => {
    for (const action of plan.next()) {
      if (action.type === 'cancel') {
        cancelled.push(action.transfer);
        continue;
      }
      const { transfer } = action;
      const feeders =
        transfer.kind === 'fetch' ? transfer.from : transfer.from === 'source' ? [] : [transfer.from.node];
      const route = [...receivers(transfer)];
      check(transfer, feeders, route);
      started.push(transfer);
      running.set(transfer.id, { transfer, feeders, route });
    }
  };

  const resultFor = (node: string, transfer: Transfer): HopResult => {
    const dice = random();
    const { node: own = 0, link = 0 } = fails;
    const [blob] = transfer.blobs;
    const isFirst = transfer.from === 'source' && receivers(transfer)[0] === node;
    const inVain = isFirst && random() < (fails.source ?? 0);
    if (blob === undefined || (!inVain && dice >= own + link)) {
      for (const { digest } of transfer.blobs) holds.get(node)?.add(digest);
      return { ok: true };
    }
    const whole = transfer.blobs.length === 1 ? blob.size : 0;
    const offset = Math.max(transfer.offset, Math.floor(random() * whole));
    const key = `${node} ${blob.digest}`;
    if (transfer.blobs.length === 1) offsets.set(key, Math.max(offset, offsets.get(key) ?? 0));
    const reason = inVain ? 'source' : dice < own ? 'node' : 'link';
    return { ok: false, offset: offsets.get(key) ?? 0, reason };
  };

  /** What was cancelled ends, with what came until then. */
  const cutOff = (id: number) => {
    const { transfer, route } = running.get(id) ?? { transfer: undefined, route: [] };
    if (transfer === undefined) return;
    running.delete(id);
    const [blob] = transfer.blobs;
    const offsetOf = (node: string) => offsets.get(`${node} ${blob?.digest}`) ?? 0;
    const hops = route.map((node) => ({
      node,
      result: { ok: false, offset: offsetOf(node), reason: 'route' } as const,
    }));
    plan.handle({ type: 'transferEnded', transfer: id, hops });
  };

  /** Some hops get on, some stand still, and what time it is is told. */
  const pass = (ms: number) => {
    clockMs += ms;
    for (const [id, { transfer, route }] of running) {
      const [blob] = transfer.blobs;
      if (blob === undefined || transfer.blobs.length > 1 || random() < 0.4) continue;
      for (const node of route) {
        if (random() < 0.3) break;
        const key = `${node} ${blob.digest}`;
        const before = Math.max(transfer.offset, offsets.get(key) ?? 0);
        const offset = Math.min(blob.size - 1, before + Math.floor((random() * blob.size) / 8));
        offsets.set(key, Math.max(offset, offsets.get(key) ?? 0));
        plan.handle({ type: 'progress', transfer: id, node, offset, atMs: clockMs });
      }
    }
    plan.handle({ type: 'time', atMs: clockMs });
  };

  const end = (id: number) => {
    const { transfer, route } = running.get(id) ?? { transfer: undefined, route: [] };
    if (transfer === undefined) return;
    running.delete(id);
    let cut = false;
    const hops = route.map((node) => {
      const result: HopResult = cut
        ? { ok: false, offset: offsets.get(`${node} ${transfer.blobs[0]?.digest}`) ?? 0, reason: 'route' }
        : resultFor(node, transfer);
      if (!result.ok) cut = true;
      return { node, result };
    });
    plan.handle({ type: 'transferEnded', transfer: id, hops });
    for (const { node, result } of hops) {
      if (plan.isInDoubt(node)) doubtful.add(node);
      const isAtFault = !result.ok && result.reason === 'node';
      must(!isAtFault || dead.has(node) || plan.isInDoubt(node), `${node} is not in doubt`);
    }
    for (const name of doubtful) if (random() < 0.7) recover(name);
  };

  const recover = (name: string) => {
    const node = byName.get(name);
    doubtful.delete(name);
    if (node !== undefined && !dead.has(name)) plan.handle({ type: 'nodeReady', node: now(node) });
  };

  const kill = (name: string) => {
    dead.add(name);
    doubtful.delete(name);
    for (const [id, { feeders, route }] of running) {
      const at = feeders.includes(name) ? 0 : route.indexOf(name);
      if (at >= 0) route.splice(at);
      if (route.length === 0) running.delete(id);
    }
    plan.handle({ type: 'nodeFailed', node: name });
  };

  for (const node of nodes) plan.handle({ type: 'nodeReady', node });
  carryOut();
  for (let step = 0; step < stepLimit && broken.length === 0; step += 1) {
    if (running.size === 0 && doubtful.size === 0) {
      // What nobody got from the source is tried again by whoever waits for it
      const lost = fails.source === undefined ? [] : plan.unobtainable();
      must(fails.source !== 0 || lost.length === 0, 'what the source has is lost');
      if (lost.length === 0) break;
      for (const { node } of lost) recover(node);
      carryOut();
    }
    for (const id of cancelled.splice(0)) cutOff(id);
    if (everyMs !== undefined) pass(everyMs);
    const ids = [...running.keys()];
    if (random() < (fails.dies ?? 0)) {
      const alive = nodes.filter(({ name }) => !dead.has(name));
      const victim = alive[Math.floor(random() * alive.length)];
      if (victim !== undefined && alive.length > 1) kill(victim.name);
    } else if (ids.length > 0) end(ids[Math.floor(random() * ids.length)] ?? -1);
    if (ids.length === 0) for (const name of [...doubtful]) recover(name);
    carryOut();
  }
  return { broken, settled: plan.settled, dead, started, holds, sourceSent };
}
