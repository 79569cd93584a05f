import { describe, expect, it } from 'vitest';
import { Plan } from '../../src/distribute/plan.ts';
import {
  type PlanAction,
  type PlanBlob,
  type PlanNode,
  type PlanOptions,
  receivers,
  type Transfer,
} from '../../src/distribute/plan-types.ts';
import { blobsOf, mebibyte } from '../simulate/scenario.ts';

const large = 50 * mebibyte;

function nodeOf(name: string, lacks: readonly PlanBlob[], more: Partial<PlanNode> = {}): PlanNode {
  return {
    name,
    lacks: lacks.map((blob) => ({ ...blob, offset: 0 })),
    has: [],
    relays: true,
    fetches: true,
    leads: true,
    ...more,
  };
}

function planFor(
  source: readonly PlanBlob[],
  nodes: readonly PlanNode[],
  more: Partial<PlanOptions> = {},
): Plan {
  const plan = new Plan({ source, relay: 'auto', ...more });
  for (const node of nodes) plan.handle({ type: 'nodeReady', node });
  return plan;
}

function starts(actions: readonly PlanAction[]): Transfer[] {
  return actions.flatMap((action) => (action.type === 'start' ? [action.transfer] : []));
}

function routeOf(transfer: Transfer | undefined): readonly string[] {
  if (transfer === undefined) throw new Error('nothing was started');
  return receivers(transfer);
}

function endWell(plan: Plan, transfer: Transfer): void {
  const hops = routeOf(transfer).map((node) => ({ node, result: { ok: true } as const }));
  plan.handle({ type: 'transferEnded', transfer: transfer.id, hops });
}

/** To the end, with nothing that fails. */
function carryOut(plan: Plan): Transfer[] {
  const all: Transfer[] = [];
  const open = starts(plan.next());
  for (let transfer = open.shift(); transfer !== undefined; transfer = open.shift()) {
    all.push(transfer);
    endWell(plan, transfer);
    open.push(...starts(plan.next()));
  }
  return all;
}

const names = (count: number) => Array.from({ length: count }, (_, i) => `n${i}`);

describe('a plan for a handful of nodes', () => {
  const blobs = blobsOf([large, large, large, large, large]);

  it('sends three blobs at once, each along one chain of all nodes, and each begins elsewhere', () => {
    const plan = planFor(
      blobs,
      names(8).map((name) => nodeOf(name, blobs)),
    );
    const first = starts(plan.next());
    expect(first.map(({ blobs: [blob] }) => blob?.digest)).toEqual(
      blobs.slice(0, 3).map(({ digest }) => digest),
    );
    for (const transfer of first) expect([...routeOf(transfer)].sort()).toEqual(names(8));
    expect(new Set(first.map((transfer) => routeOf(transfer)[0])).size).toBe(3);
    expect(new Set(first.map((transfer) => routeOf(transfer).at(-1))).size).toBe(3);
  });

  it('sends small blobs together, and before the large ones', () => {
    const mixed = blobsOf([large, 2_000, large, 3_000]);
    const [first] = starts(planFor(mixed, [nodeOf('a', mixed)]).next());
    expect(first?.blobs.map(({ size }) => size)).toEqual([2_000, 3_000]);
  });

  it('lets a node that joined later fetch from its peers, and the source send nothing', () => {
    const has = blobs.map(({ digest }) => digest);
    const plan = planFor(blobs, [...names(3).map((name) => nodeOf(name, [], { has })), nodeOf('new', blobs)]);
    const all = carryOut(plan);
    expect(all.map(({ kind }) => kind)).toEqual(blobs.map(() => 'fetch'));
    expect(all.map((transfer) => routeOf(transfer))).toEqual(blobs.map(() => ['new']));
    expect(plan.settled).toBe(true);
  });

  it('has what one node holds go along a chain of all others, which one that can pass on what it fetches leads', () => {
    const blobs = blobsOf([large, large, large, large]);
    const has = blobs.map(({ digest }) => digest);
    const others = Array.from({ length: 5 }, (_, i) => nodeOf(`n${i}`, blobs, { leads: i > 1 }));
    const all = carryOut(planFor(blobs, [nodeOf('holder', [], { has }), ...others]));
    for (const transfer of all) {
      expect(transfer).toMatchObject({ kind: 'relay', from: { node: 'holder' } });
      expect(routeOf(transfer).toSorted()).toEqual(['n0', 'n1', 'n2', 'n3', 'n4']);
      expect(['n2', 'n3', 'n4']).toContain(routeOf(transfer)[0]);
    }
    expect(all).toHaveLength(4);
  });

  it('has them fetch one by one where none of them can pass on what it fetches', () => {
    const blobs = blobsOf([large]);
    const has = blobs.map(({ digest }) => digest);
    const others = ['a', 'b'].map((name) => nodeOf(name, blobs, { leads: false }));
    const all = carryOut(planFor(blobs, [nodeOf('holder', [], { has }), ...others]));
    expect(all.map(({ kind }) => kind)).toEqual(['fetch', 'fetch']);
  });

  it('asks a node that could not give to three others only where nobody else can give', () => {
    const blobs = blobsOf([large]);
    const has = blobs.map(({ digest }) => digest);
    const nodes = Array.from({ length: 6 }, (_, i) => nodeOf(`n${i}`, blobs, { leads: false }));
    const plan = planFor([], [nodeOf('damaged', [], { has }), ...nodes], { limits: { concurrency: 1 } });
    const failed = new Set<string>();
    for (let i = 0; i < 3; i += 1) {
      const [transfer] = starts(plan.next());
      const to = routeOf(transfer)[0] ?? '';
      failed.add(to);
      const hops = [{ node: to, result: { ok: false, reason: 'link' } as const }];
      plan.handle({ type: 'transferEnded', transfer: transfer?.id ?? 0, hops });
    }
    expect(failed.size).toBe(3);
    plan.handle({ type: 'nodeReady', node: nodeOf('sound', [], { has }) });
    for (const transfer of carryOut(plan)) expect(transfer.from).not.toContain('damaged');
    expect(plan.settled).toBe(true);
  });

  it('goes on from what nodes hold of a blob', () => {
    const [blob] = blobs;
    if (blob === undefined) throw new Error('no blob');
    const lacks = [{ ...blob, offset: 7_000_000 }];
    const plan = planFor(
      blobs,
      names(2).map((name) => nodeOf(name, [], { lacks })),
    );
    expect(starts(plan.next())[0]?.offset).toBe(7_000_000);
  });

  it('feeds those behind one that died when those before it have the blob, from what they hold', () => {
    const [blob] = blobs;
    if (blob === undefined) throw new Error('no blob');
    const plan = planFor(
      [blob],
      names(6).map((name) => nodeOf(name, [blob])),
    );
    const [chain] = starts(plan.next());
    const route = routeOf(chain);
    const id = chain?.id ?? -1;
    for (const node of route.slice(3))
      plan.handle({
        type: 'hopEnded',
        transfer: id,
        node,
        result: { ok: false, offset: 30 * mebibyte, reason: 'route' },
      });
    plan.handle({ type: 'nodeFailed', node: route[2] ?? '' });
    expect(plan.next()).toEqual([]);
    for (const node of route.slice(0, 2))
      plan.handle({ type: 'hopEnded', transfer: id, node, result: { ok: true } });
    const again = starts(plan.next());
    expect(again.flatMap((transfer) => routeOf(transfer)).sort()).toEqual(route.slice(3).toSorted());
    for (const transfer of again) {
      expect(transfer.offset).toBe(30 * mebibyte);
      expect(transfer.from).not.toBe('source');
    }
  });

  it('gives nothing to a node that is in doubt, until it is told of again', () => {
    const plan = planFor(blobs.slice(0, 1), [nodeOf('a', blobs.slice(0, 1))]);
    const [first] = starts(plan.next());
    const result = { ok: false, offset: 5, reason: 'node' } as const;
    plan.handle({ type: 'transferEnded', transfer: first?.id ?? -1, hops: [{ node: 'a', result }] });
    expect(plan.next()).toEqual([]);
    expect(plan.settled).toBe(false);
    plan.handle({ type: 'nodeReady', node: nodeOf('a', blobs.slice(0, 1)) });
    expect(starts(plan.next())).toHaveLength(1);
  });

  it('puts a node that cannot pass on at the end of a chain', () => {
    const nodes = names(4).map((name, i) =>
      nodeOf(name, blobs, i === 0 ? { relays: false, fetches: false } : {}),
    );
    for (const transfer of carryOut(planFor(blobs, nodes))) {
      expect(routeOf(transfer).slice(0, -1)).not.toContain('n0');
      if (transfer.kind === 'fetch') expect(transfer.to).not.toBe('n0');
    }
  });

  it('sends to each node by itself when nothing is to be relayed', () => {
    const all = carryOut(
      planFor(
        blobs,
        names(3).map((name) => nodeOf(name, blobs)),
        { relay: 'off' },
      ),
    );
    expect(all).toHaveLength(15);
    for (const transfer of all) {
      expect(transfer.from).toBe('source');
      expect(routeOf(transfer)).toHaveLength(1);
    }
  });

  it('names what nobody holds any more', () => {
    const [blob] = blobs;
    if (blob === undefined) throw new Error('no blob');
    const plan = planFor([], [nodeOf('a', [blob]), nodeOf('b', [])]);
    expect(plan.next()).toEqual([]);
    expect(plan.unobtainable()).toEqual([{ node: 'a', digests: [blob.digest] }]);
  });

  it('says so too when the only node that has it could not give it, until it is told of that node anew', () => {
    const blobs = blobsOf([large]);
    const plan = planFor(
      [],
      [nodeOf('a', blobs), nodeOf('b', [], { has: blobs.map(({ digest }) => digest) })],
    );
    const [first] = starts(plan.next());
    expect(first).toMatchObject({ kind: 'fetch', from: ['b'], to: 'a' });
    expect(plan.unobtainable()).toEqual([]);
    const result = { ok: false, offset: 0, reason: 'link' } as const;
    plan.handle({ type: 'transferEnded', transfer: first?.id ?? -1, hops: [{ node: 'a', result }] });
    expect(plan.next()).toEqual([]);
    expect(plan.unobtainable()).toEqual([{ node: 'a', digests: blobs.map(({ digest }) => digest) }]);
    plan.handle({ type: 'nodeReady', node: nodeOf('a', blobs) });
    expect(starts(plan.next())).toMatchObject([{ kind: 'fetch', from: ['b'], to: 'a' }]);
  });
});

describe('a node that stopped giving', () => {
  /** `c` gets one blob from one of two that hold it, and gives another to `d`; the other of the two feeds `e`. */
  function begun() {
    const [x, y] = blobsOf([large, large]) as [PlanBlob, PlanBlob];
    const plan = planFor(
      [],
      [
        ...['a', 'b'].map((name) => nodeOf(name, [], { has: [x.digest] })),
        nodeOf('c', [x], { has: [y.digest] }),
        nodeOf('d', [y]),
        nodeOf('e', [x], { relays: false }),
      ],
      { limits: { concurrency: 1 } },
    );
    const started = starts(plan.next());
    const to = (name: string) => {
      const found = started.find((transfer) => transfer.kind === 'fetch' && transfer.to === name);
      if (found?.kind !== 'fetch') throw new Error(`${name} gets nothing`);
      return found;
    };
    const [stopped] = to('c').from;
    const progress = (node: string, atMs: number) =>
      plan.handle({ type: 'progress', transfer: to(node).id, node, offset: atMs * 1_000, atMs });
    const cancelled = () => {
      expect(plan.next()).toEqual([{ type: 'cancel', transfer: to('c').id }]);
      const result = { ok: false, offset: 0, reason: 'route' } as const;
      plan.handle({ type: 'transferEnded', transfer: to('c').id, hops: [{ node: 'c', result }] });
    };
    return { plan, x, to, progress, stopped, cancelled };
  }

  it('is not asked again while others who have it are merely busy', () => {
    const { plan, to, progress, stopped, cancelled } = begun();
    for (let atMs = 250; atMs <= 2_000; atMs += 250) for (const node of ['d', 'e']) progress(node, atMs);
    cancelled();
    expect(plan.next()).toEqual([]);
    endWell(plan, to('e'));
    const [again] = starts(plan.next());
    expect(again).toMatchObject({ kind: 'fetch', to: 'c' });
    expect(again?.from).not.toContain(stopped);
  });

  it('is blamed, and not the one that it gave to, of which more was heard', () => {
    const { plan, x, to, progress, cancelled } = begun();
    progress('c', 200);
    progress('d', 400);
    // Whoever tells of it was asleep
    progress('e', 2_200);
    cancelled();
    plan.handle({ type: 'nodeReady', node: nodeOf('f', [x]) });
    endWell(plan, to('e'));
    const [again] = starts(plan.next());
    expect(routeOf(again).toSorted()).toEqual(['c', 'f']);
  });
});

describe('a node that seems to hang, and that no other node can reach', () => {
  it('gets from the source what all others hold', () => {
    const blobs = blobsOf([large]);
    const plan = planFor(
      blobs,
      ['a', 'b', 'c', 'd'].map((name) => nodeOf(name, blobs)),
    );
    const [chain] = starts(plan.next());
    const [hangs = '', ...others] = routeOf(chain).toReversed();
    const id = chain?.id ?? -1;
    for (let atMs = 250; atMs <= 3_000; atMs += 250) {
      for (const node of others)
        plan.handle({ type: 'progress', transfer: id, node, offset: atMs * 4_000, atMs });
      plan.handle({ type: 'progress', transfer: id, node: hangs, offset: 1_000, atMs: 250 });
    }
    expect(plan.next()).toContainEqual({ type: 'cancel', transfer: id });
    const hops = others.map((node) => ({ node, result: { ok: true } as const }));
    const cut = { ok: false, offset: 1_000, reason: 'route' } as const;
    plan.handle({ type: 'transferEnded', transfer: id, hops: [...hops, { node: hangs, result: cut }] });
    const feeders: string[] = [];
    let last: Transfer | undefined;
    for (let i = 0; i < 10 && last?.from !== 'source'; i += 1) {
      [last] = starts(plan.next());
      if (last?.kind === 'fetch') feeders.push(...last.from);
      const result = { ok: false, offset: 1_000, reason: 'link' } as const;
      if (last !== undefined && last.from !== 'source')
        plan.handle({ type: 'transferEnded', transfer: last.id, hops: [{ node: hangs, result }] });
    }
    expect(feeders.toSorted()).toEqual(others.toSorted());
    expect(last).toMatchObject({ from: 'source', route: [hangs] });
  });
});

describe('a plan for many nodes', () => {
  it('sends each blob over the uplink once, to a few, which give it to the others in chains', () => {
    const blobs = blobsOf([large, large, large]);
    const all = carryOut(
      planFor(
        blobs,
        names(900).map((name) => nodeOf(name, blobs)),
        { limits: { fedLength: 60 } },
      ),
    );
    const fromSource = all.filter(({ from }) => from === 'source');
    expect(fromSource).toHaveLength(3);
    expect(fromSource.map((transfer) => routeOf(transfer).length)).toEqual([30, 30, 30]);
    expect(Math.max(...all.map((transfer) => routeOf(transfer).length))).toBeLessThanOrEqual(30);
  });

  it('makes one transfer of many small blobs', () => {
    const blobs = blobsOf(Array.from({ length: 2_500 }, () => 10 * 1024));
    const all = carryOut(
      planFor(
        blobs,
        names(20).map((name) => nodeOf(name, blobs)),
      ),
    );
    expect(all.flatMap(({ blobs: some }) => some)).toHaveLength(2_500);
    expect(all.length).toBeLessThan(50);
  });
});
