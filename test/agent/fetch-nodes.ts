import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMemoryStore, type MemoryStore } from '../../src/store/memory/memory-store.ts';
import type { Store } from '../../src/store/store.ts';
import { chunksOf, type TestBlob } from '../support/blobs.ts';
import { startAgent, type TestAgent, type TestAgentOptions } from './test-agent.ts';

/** Agents of one cluster, and things that pass for one. */

export interface Cluster extends AsyncDisposable {
  readonly token: string;
  readonly tokenFile: string;
  /** An agent that has these blobs. */
  node(blobs?: readonly TestBlob[], options?: NodeOptions): Promise<TestAgent>;
}

interface NodeOptions extends TestAgentOptions {
  readonly store?: Store;
}

export async function makeCluster(): Promise<Cluster> {
  const dir = await mkdtemp(join(tmpdir(), 'imgctl-test-cluster-'));
  const tokenFile = join(dir, 'token');
  const token = randomBytes(16).toString('hex');
  await writeFile(tokenFile, `${token}\n`, { mode: 0o600 });
  return {
    token,
    tokenFile,
    async node(blobs = [], { store = createMemoryStore(), settings, ...options } = {}) {
      const agent = await startAgent(store, { ...options, settings: { tokenFile, ...settings } });
      for (const blob of blobs) await hold(agent, blob);
      return agent;
    },
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true }),
  };
}

/** The agent has the blob as long as it runs: an import of its own keeps it. */
async function hold(agent: TestAgent, { descriptor: { digest, size }, bytes }: TestBlob): Promise<void> {
  const target = await agent.client.openImport({});
  await target.put({ digest, offset: 0, size }, () => chunksOf(bytes, 256 * 1024));
}

/** The blob as it stands in the store. */
export async function stored(store: Store | MemoryStore, { descriptor }: TestBlob): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(store.read(descriptor.digest)));
}

export interface Asked {
  readonly start: number;
  readonly end: number;
  readonly authorization: string | undefined;
  /** How many requests came before. */
  readonly turn: number;
}

export interface FalsePeer extends AsyncDisposable {
  readonly url: string;
  readonly asked: readonly Asked[];
  /** Breaks its connections, and takes no more. */
  die(): void;
}

/** Something that answers for a blob of `size` bytes as the test likes. */
export async function startPeer(
  size: number,
  serve: (response: ServerResponse, asked: Asked) => void | Promise<void>,
): Promise<FalsePeer> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    const [, first = '0', last = `${size - 1}`] =
      /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    const { authorization } = request.headers;
    const range = { start: Number(first), end: Number(last) + 1, authorization, turn: asked.length };
    asked.push(range);
    response.on('error', () => {});
    void serve(response, range);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const die = () => {
    server.close();
    server.closeAllConnections();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    die,
    [Symbol.asyncDispose]: async () => die(),
  };
}

/** The head of an honest answer. */
export function head(response: ServerResponse, { start, end }: Asked, size: number): void {
  response.writeHead(206, {
    'content-type': 'application/octet-stream',
    'content-length': end - start,
    'content-range': `bytes ${start}-${end - 1}/${size}`,
  });
}
