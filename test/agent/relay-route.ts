import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentLimits } from '../../src/agent/http/context.ts';
import type { ImportHandle } from '../../src/agent-api/import-node.ts';
import type { RelayHop } from '../../src/agent-api/relay.ts';
import type { Declaration, PutResult } from '../../src/agent-api/schemas.ts';
import type { Faults } from '../../src/store/memory/faults.ts';
import { createMemoryStore, type MemoryStore } from '../../src/store/memory/memory-store.ts';
import type { Store } from '../../src/store/store.ts';
import { framesOf } from '../../src/streams/frames-of.ts';
import type { TestAuthority } from '../support/agent-certificates.ts';
import { chunksOf, type TestBlob } from '../support/blobs.ts';
import { startAgent, type TestAgent } from './test-agent.ts';

/** Agents in this process, each with an empty import open: a route for blobs. */
export interface Route<S extends Store = MemoryStore> extends AsyncDisposable {
  readonly stops: readonly Stop<S>[];
  /** Sends the blob along `route`, by default all stops. */
  send(blob: TestBlob, options?: SendOptions): Promise<PutResult>;
}

export interface Stop<S extends Store = MemoryStore> {
  readonly agent: TestAgent;
  readonly store: S;
  readonly import: ImportHandle;
  readonly hop: RelayHop;
}

export interface SendOptions {
  readonly offset?: number;
  /** The first is sent to, the others are passed on to. */
  readonly route?: readonly { readonly import: ImportHandle; readonly hop: RelayHop }[];
  /** Of the bytes, in place of the blob's own. */
  readonly body?: () => AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal;
  /** `body` is then the encoded bytes. */
  readonly encoding?: 'zstd';
}

interface RouteOptions {
  readonly authority?: TestAuthority;
  readonly limits?: Partial<AgentLimits>;
  /** Of the import at each stop. */
  readonly declaration?: Declaration;
}

interface MemoryRouteOptions extends RouteOptions {
  /** Of the store at this stop. */
  readonly faults?: (stop: number) => Faults;
}

export function startRoute(count: number, options: MemoryRouteOptions = {}): Promise<Route> {
  const stores = Array.from({ length: count }, (_, i) => createMemoryStore({ faults: options.faults?.(i) }));
  return startRouteOver(stores, options);
}

export async function startRouteOver<S extends Store>(
  stores: readonly S[],
  { authority, limits, declaration = {} }: RouteOptions = {},
): Promise<Route<S>> {
  await using stack = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), 'imgctl-relay-'));
  stack.defer(() => rm(dir, { recursive: true }));
  const tokenFile = join(dir, 'token');
  await writeFile(tokenFile, `${'t'.repeat(43)}\n`, { mode: 0o600 });
  const stops: Stop<S>[] = [];
  for (const [i, store] of stores.entries()) {
    const name = `n${i}`;
    const files = await authority?.issue(name);
    const tls = files && { tlsCert: files.certFile, tlsKey: files.keyFile };
    const agent = stack.use(
      await startAgent(store, {
        settings: { name, tokenFile, ...tls },
        ...(authority && { trust: { ca: authority.pair.cert } }),
        limits: { aliveMs: 200, ...limits },
      }),
    );
    const handle = await agent.client.openImport(declaration);
    stops.push({
      agent,
      store,
      import: handle,
      hop: { node: name, url: agent.url.origin, import: handle.id },
    });
  }
  const owned = stack.move();
  return {
    stops,
    send(
      { descriptor: { digest, size }, bytes },
      { offset = 0, route = stops, body, signal, encoding } = {},
    ) {
      const [first, ...behind] = route;
      if (first === undefined) throw new Error('no route');
      const plain = () => chunksOf(bytes.subarray(offset), 64 * 1024);
      const source = body ?? (encoding === undefined ? plain : () => framesOf(plain()));
      const relay = behind.map(({ hop }) => hop);
      return first.import.put({ digest, offset, size }, source, signal, { relay, encoding });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Of each stop: whether it has the blob whole, else how many bytes of it. */
export function heldBy(stops: readonly Stop[], { descriptor: { digest } }: TestBlob): (number | 'whole')[] {
  return stops.map(({ store }) => {
    const { blobs, partials } = store.contents();
    return blobs.includes(digest) ? 'whole' : (partials.get(digest) ?? 0);
  });
}

/** A store that takes bytes at this pace, however large the chunks are; those before `from` at once. */
export function slowStore(bytesPerSecond: number, from = 0): Faults {
  let last = from;
  return {
    write: async (_, offset) => {
      const ms = ((offset - last) / bytesPerSecond) * 1000;
      last = Math.max(last, offset);
      if (ms > 0) await sleep(ms);
    },
  };
}

/** The blob's bytes at this pace. */
export async function* paced(bytes: Uint8Array, bytesPerSecond: number): AsyncGenerator<Uint8Array> {
  const begun = performance.now();
  let sent = 0;
  for await (const chunk of chunksOf(bytes, 64 * 1024)) {
    const due = (sent / bytesPerSecond) * 1000 - (performance.now() - begun);
    if (due > 1) await sleep(due);
    sent += chunk.byteLength;
    yield chunk;
  }
}

/** A hop that others starve of the processor for a second is cut off, as it should be: that is not what these test. */
export const starved = { retry: 2 };
