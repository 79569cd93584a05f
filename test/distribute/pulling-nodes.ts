import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RegistryLogin } from '../../src/agent-api/registry-source.ts';
import { distribute } from '../../src/distribute/fan-out.ts';
import type { FanOutNode, FanOutOptions } from '../../src/distribute/fan-out-options.ts';
import {
  type ImagesThroughNodes,
  openImagesThroughNodes,
} from '../../src/distribute/images-through-nodes.ts';
import type { NodeOutcome } from '../../src/distribute/outcome.ts';
import { ImgctlError } from '../../src/errors.ts';
import { parsePlatform } from '../../src/image/platform.ts';
import { parseReference } from '../../src/image/reference.ts';
import { createMemoryStore } from '../../src/store/memory/memory-store.ts';
import { makeCluster } from '../agent/fetch-nodes.ts';
import type { TestAgent } from '../agent/test-agent.ts';
import type { FakeRegistry } from '../support/registry/fake-registry.ts';

/** Real agents that pull from a registry, each by a name that the registry is told in the header `x-node`. */
export interface PullingNodes extends AsyncDisposable {
  readonly agents: ReadonlyMap<string, TestAgent>;
  pull(refs: readonly string[], options?: PullingOptions): Promise<Pulled>;
}

export interface PullingOptions extends Partial<FanOutOptions> {
  readonly logins?: readonly RegistryLogin[];
  /** Nodes whose agents are of a version that pulled nothing. */
  readonly old?: readonly string[];
}

export interface Pulled {
  readonly failed: ImagesThroughNodes['failed'];
  readonly outcomes: readonly NodeOutcome[];
}

const arm64 = parsePlatform('linux/arm64');

interface NodesOptions {
  /** Of these nodes, the registry's address is one where nothing listens. */
  readonly cutOff?: readonly string[];
  /** Of these nodes, it is that of another registry. */
  readonly elsewhere?: { readonly url: string; readonly nodes: readonly string[] };
  /** These run linux/arm64; the others what this machine does. */
  readonly arm?: readonly string[];
}

export async function startPullingNodes(
  names: readonly string[],
  registry: FakeRegistry,
  { cutOff = [], elsewhere, arm = [] }: NodesOptions = {},
): Promise<PullingNodes> {
  await using stack = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), 'imgctl-test-pulling-'));
  stack.defer(() => rm(dir, { recursive: true }));
  const cluster = stack.use(await makeCluster());
  const agents = new Map<string, TestAgent>();
  for (const name of names) {
    const hostsDir = join(dir, name);
    await mkdir(join(hostsDir, registry.host), { recursive: true });
    const own = elsewhere?.nodes.includes(name) ? elsewhere.url : registry.url;
    const address = cutOff.includes(name) ? 'http://127.0.0.1:1' : own;
    await writeFile(
      join(hostsDir, registry.host, 'hosts.toml'),
      `server = "${address}"\n[header]\n"x-node" = "${name}"\n`,
    );
    const platforms = [arm64].filter(() => arm.includes(name));
    const store = createMemoryStore(platforms.length === 0 ? {} : { platforms });
    agents.set(name, stack.use(await cluster.node([], { store, settings: { hostsDir, name } })));
  }
  const open = stack.move();
  return {
    agents,
    pull: (refs, options) => pullOnto(agents, refs, options),
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

async function pullOnto(
  agents: ReadonlyMap<string, TestAgent>,
  refs: readonly string[],
  { logins = [], old = [], ...options }: PullingOptions = {},
): Promise<Pulled> {
  const signal = AbortSignal.timeout(30_000);
  const readers = [...agents].map(([name, { client }]) => ({
    name,
    registryImage: async (...asked: Parameters<typeof client.registryImage>) => {
      if (old.includes(name)) throw new ImgctlError('route_unknown', 'this agent has no such route');
      return client.registryImage(...asked);
    },
  }));
  await using source = await openImagesThroughNodes(refs.map(parseReference), readers, {
    platforms: [],
    logins,
    maxParallel: 1,
    signal,
  });
  if (source.images.length === 0) return { failed: source.failed, outcomes: [] };
  const outcomes = await distribute({
    nodes: [...agents].map(([name, agent]) => fanOutNode(name, agent, old)),
    source,
    registry: source.registryOf,
    declaration: {},
    retries: 0,
    stallTimeoutMs: 10_000,
    strict: false,
    relay: 'auto',
    signal,
    onEvent: () => {},
    ...options,
  });
  return { failed: source.failed, outcomes };
}

function fanOutNode(name: string, { client, url }: TestAgent, old: readonly string[]): FanOutNode {
  return {
    name,
    address: url.host,
    peer: { url: url.origin, have: client.have },
    node: {
      ...client,
      describe: async (signal) => {
        const info = await client.describe(signal);
        const has = (feature: string) => feature !== 'registry' || !old.includes(name);
        return { ...info, features: info.features.filter(has) };
      },
    },
  };
}

/** Which node asked for a blob, and from which byte on. */
export function readsOf(
  registry: FakeRegistry,
  digest = '',
): { readonly node: string; readonly from: number }[] {
  return registry.requests
    .filter(({ path }) => path.includes('/blobs/') && path.includes(digest))
    .map(({ headers }) => ({
      node: String(headers['x-node']),
      from: Number(/^bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0),
    }));
}
