import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ImportHandle } from '../../src/agent-api/import-node.ts';
import { formatRelay } from '../../src/agent-api/relay.ts';
import type { Digest } from '../../src/image/digest.ts';
import { customer, dispatchOf, missingLayers } from './test-dispatch.ts';

const mebibyte = 1024 * 1024;
const size = 64 * mebibyte;
const blobsOf = (count: number) => missingLayers(count, size);

interface Put {
  readonly digest: Digest;
  /** All nodes that it passes. */
  readonly route: readonly string[];
  readonly header: string;
  /** Undefined while it is under way. */
  endedBy: string | undefined;
}

/** A cluster whose nodes do nothing by themselves: puts last until they are given up. */
function cluster(nodes: readonly string[], blobs = blobsOf(1)) {
  const dispatch = dispatchOf(blobs, { nodes });
  const puts: Put[] = [];
  const failures = new Map<string, unknown>();
  const touched = new Set<string>();
  for (const name of nodes) {
    const put: ImportHandle['put'] = ({ digest }, _body, signal, options) => {
      const relay = options?.relay ?? [];
      const begun: Put = {
        digest,
        route: [name, ...relay.map(({ node }) => node)],
        header: formatRelay(relay),
        endedBy: undefined,
      };
      puts.push(begun);
      return new Promise<never>((_, reject) =>
        signal?.addEventListener('abort', () => {
          begun.endedBy = String(signal.reason.message);
          reject(signal.reason);
        }),
      );
    };
    const fetch = () => new Promise<never>(() => {});
    const handle = { id: '7c9e6679-7425-40de-944b-e07fc1f90ae7', put, fetch };
    const told = { url: `https://${name}:25000`, touch: () => touched.add(name) };
    dispatch.bring(customer(name, blobs, handle, told)).catch((error) => failures.set(name, error));
  }
  const underWay = () => puts.filter(({ endedBy }) => endedBy === undefined);
  /** Its nodes tell that they live, as agents do that have nothing else to tell. */
  const alive = async (names: readonly string[], seconds: number) => {
    for (let i = 0; i < seconds; i += 1) {
      for (const name of names) dispatch.hear(name);
      await vi.advanceTimersByTimeAsync(1_000);
    }
  };
  return { dispatch, puts, underWay, failures, touched, alive };
}

describe('what is passed on to nodes', () => {
  beforeEach(() => {
    vi.useFakeTimers({
      toFake: ['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout', 'performance'],
    });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('goes by another route when a node of it hangs, also when nothing else moves that would tell', async () => {
    const { dispatch, puts, underWay, failures, alive } = cluster(['a', 'b', 'c', 'd']);
    using _ = dispatch;
    await vi.advanceTimersByTimeAsync(100);
    const [first] = puts;
    if (first === undefined) throw new Error('nothing was begun');
    const [one = '', hung = '', ...behind] = first.route;
    expect(behind).toHaveLength(2);
    dispatch.progress(one, first.digest, 12 * mebibyte);
    for (const name of [hung, ...behind]) dispatch.progress(name, first.digest, 4 * mebibyte);

    await alive([one, hung, ...behind], 4);

    expect(first.endedBy).toBe('another route is better');
    const fed = new Set(underWay().flatMap(({ route }) => route));
    expect([...fed]).toEqual(expect.arrayContaining([one, ...behind]));
    for (const { route } of underWay()) expect(route.slice(0, -1)).not.toContain(hung);
    expect(failures).toEqual(new Map());
  });

  it('is not taken from a node that gets on, whichever of two routes it is that brings it', async () => {
    const blobs = blobsOf(2);
    const { dispatch, puts, underWay, alive } = cluster(['a', 'b', 'c', 'd'], blobs);
    using _ = dispatch;
    await vi.advanceTimersByTimeAsync(100);
    const [first] = puts;
    const other = blobs.find(({ digest }) => digest !== first?.digest)?.digest;
    if (first === undefined || other === undefined) throw new Error('nothing was begun');
    const [dead = '', ...living] = first.route;
    // Those behind the dead one are fed another way, while the old one is not heard to have ended
    dispatch.gone(dead);
    await vi.advanceTimersByTimeAsync(100);
    const refed = underWay().find((put) => put !== first && put.digest === first.digest);
    expect(refed?.route.toSorted()).toEqual(living.toSorted());

    // Something else moves too, so that it would be seen who stands still
    const moves = underWay().find(({ digest, route }) => digest === other && route[0] !== refed?.route[0]);
    expect(moves).toBeDefined();
    for (let at = 1; at <= 5; at += 1) {
      for (const name of living) dispatch.progress(name, first.digest, at * 4 * mebibyte);
      dispatch.progress(moves?.route[0] ?? '', other, at * 4 * mebibyte);
      await alive(living, 1);
    }

    expect(refed?.endedBy).toBeUndefined();
  });

  it('goes round a node of which nothing is heard any more, and that node alone fails', async () => {
    const { dispatch, puts, underWay, failures, alive } = cluster(['a', 'b', 'c']);
    using _ = dispatch;
    await vi.advanceTimersByTimeAsync(100);
    const [one = '', silent = '', last = ''] = puts[0]?.route ?? [];

    await alive([one, last], 9);
    expect(failures).toEqual(new Map());
    await alive([one, last], 2);

    expect([...failures]).toEqual([[silent, expect.objectContaining({ code: 'node_stalled' })]]);
    const fed = underWay().flatMap(({ route }) => route);
    expect(fed).toEqual(expect.arrayContaining([one, last]));
  });

  it('says nothing for a node that is fed alone: its store may hang while it is alive', async () => {
    const [blob] = blobsOf(1);
    const { dispatch, puts, touched, alive } = cluster(['a', 'b', 'c']);
    using _ = dispatch;
    await vi.advanceTimersByTimeAsync(100);
    const [first = '', second = '', third = ''] = puts[0]?.route ?? [];

    await alive([first, second, third], 2);
    expect([...touched].toSorted()).toEqual([second, third].toSorted());
    // Now the third fetches it from the first
    dispatch.progress(first, blob?.digest as Digest, size);
    dispatch.gone(second);
    await alive([first, second, third], 2);
    touched.clear();
    await alive([first, second, third], 2);
    expect([...touched]).not.toContain(third);
  });

  it('is not held against nodes that were not heard of because the command itself was stopped', async () => {
    const { dispatch, puts, failures } = cluster(['a', 'b', 'c']);
    using _ = dispatch;
    await vi.advanceTimersByTimeAsync(1_000);
    const asleep = performance.now.bind(performance);
    vi.spyOn(performance, 'now').mockImplementation(() => asleep() + 60_000);

    await vi.advanceTimersByTimeAsync(2_000);
    vi.mocked(performance.now).mockRestore();

    expect(failures).toEqual(new Map());
    expect(puts.map(({ endedBy }) => endedBy)).toEqual(puts.map(() => undefined));
  });

  it('has routes that a request can name, however long the names of the nodes are', async () => {
    const nodes = Array.from({ length: 60 }, (_, i) => `${'n'.repeat(200)}-${i}`);
    const { dispatch, puts, failures } = cluster(nodes, blobsOf(3));
    using _ = dispatch;

    await vi.advanceTimersByTimeAsync(100);

    expect(failures).toEqual(new Map());
    expect(puts.length).toBeGreaterThan(1);
    expect(puts.some(({ route }) => route.length > 10)).toBe(true);
  });
});
