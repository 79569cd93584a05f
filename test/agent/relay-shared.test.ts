import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openOciLayoutStore } from '../../src/store/oci-layout/oci-layout-store.ts';
import type { Lease, LeaseOptions, Store } from '../../src/store/store.ts';
import { makeTestAuthority, type TestAuthority } from '../support/agent-certificates.ts';
import { bytesOf, randomBlob } from '../support/blobs.ts';
import { startRouteOver } from './relay-route.ts';

const MiB = 1024 * 1024;

/**
 * The store and the next hop read the same memory, and whoever is done with it gives it back. If it were used again while
 * the other still reads, bytes of one blob would turn up in another: every hop verifies, so that each of these would fail.
 */
describe('many blobs at once, whose chunks two readers share', () => {
  let authority: TestAuthority;
  beforeAll(async () => {
    authority = await makeTestAuthority();
  });
  afterAll(() => authority[Symbol.asyncDispose]());

  it.each<[string, readonly number[]]>([
    ['stores that are equally fast', [0, 0, 0]],
    ['a slow store in the middle and a fast next hop', [0, 20, 0]],
    ['a fast store in the middle and a slow next hop', [0, 0, 20]],
    ['a slow store at the beginning', [20, 0, 0]],
  ])('arrive as they were sent, with %s', { timeout: 120_000 }, async (_, pauses) => {
    const dir = await mkdtemp(join(tmpdir(), 'imgctl-relay-shared-'));
    try {
      const stores = await Promise.all(
        pauses.map(async (ms, i) =>
          pausing(await openOciLayoutStore({ directory: join(dir, `store-${i}`) }), ms),
        ),
      );
      // Nobody is cut off for being slow: the point is that both go on reading
      await using route = await startRouteOver(stores, { authority, limits: { relayPatienceMs: 60_000 } });
      const blobs = Array.from({ length: 8 }, (_, i) => randomBlob(6 * MiB + i * 100_001));

      const results = await Promise.all(blobs.map((blob) => route.send(blob)));

      for (const { error, relay } of results) {
        expect(error).toBeUndefined();
        expect(relay).toEqual([
          { node: 'n1', ok: true },
          { node: 'n2', ok: true },
        ]);
      }
      for (const store of stores)
        for (const { descriptor, bytes } of blobs)
          expect((await bytesOf(store.read(descriptor.digest))).equals(bytes)).toBe(true);
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});

/** The same store, which takes a while for each chunk. */
function pausing(store: Store, ms: number): Store {
  if (ms === 0) return store;
  const slow = async function* (chunks: AsyncIterable<Uint8Array>) {
    for await (const chunk of chunks) {
      await sleep(ms);
      yield chunk;
    }
  };
  const openLease = async (options: LeaseOptions) => {
    const lease = await store.openLease(options);
    const write: Lease['write'] = (blob, offset, chunks, rest) =>
      lease.write(blob, offset, slow(chunks), rest);
    return instead(lease, { write });
  };
  return instead(store, { openLease });
}

/** An object of which some methods are others. */
function instead<T extends object>(original: T, methods: Partial<T>): T {
  return new Proxy(original, {
    get(target, key) {
      if (key in methods) return methods[key as keyof T];
      const value = Reflect.get(target, key);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
