import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AgentLimits } from '../../src/agent/http/context.ts';
import { type AgentReady, type AgentSettings, runAgent } from '../../src/agent/main.ts';
import { type AgentClient, type AgentTrust, createAgentClient } from '../../src/agent-api/agent-client.ts';
import type { Store } from '../../src/store/store.ts';
import { readToken } from '../../src/trust/token-file.ts';

export interface TestAgent extends AsyncDisposable {
  readonly ready: AgentReady;
  readonly url: URL;
  readonly token: string;
  readonly client: AgentClient;
  /** What it logged so far, line by line. */
  readonly log: readonly string[];
  /** As SIGTERM does; resolves when it has ended. */
  stop(): Promise<void>;
}

export interface TestAgentOptions {
  readonly settings?: Partial<AgentSettings>;
  readonly limits?: Partial<AgentLimits>;
  /** Of its client, beside the token. */
  readonly trust?: AgentTrust;
}

/** A real agent on a free port of loopback, in front of this store, with its data in a temporary directory. */
export async function startAgent(
  store: Store,
  { settings, limits, trust }: TestAgentOptions = {},
): Promise<TestAgent> {
  const ownDir = await mkdtemp(join(tmpdir(), 'imgctl-agent-'));
  const log: string[] = [];
  const stopping = new AbortController();
  const { promise, resolve } = Promise.withResolvers<AgentReady>();
  const running = runAgent(
    {
      listen: ['127.0.0.1:0'],
      namespace: 'k8s.io',
      insecureHttp: false,
      name: 'node-1',
      dataDir: ownDir,
      ...settings,
    },
    {
      signal: stopping.signal,
      version: '0.0.0',
      store,
      limits: { stopMs: 500, reloadMs: 50, ...limits },
      onReady: resolve,
      logTo: { write: (line) => void log.push(line) },
    },
  );
  const ready = await Promise.race([
    promise,
    running.then(() => Promise.reject(new Error('it did not start'))),
  ]);
  const url = new URL(`${ready.tls ? 'https' : 'http'}://${ready.addresses[0]}`);
  const token = ready.tokenFile === undefined ? '' : await readToken(ready.tokenFile);
  const client = createAgentClient({
    baseUrl: url,
    trust: { ...trust, ...(token === '' ? {} : { token }) },
    name: 'node-1',
  });
  const stop = async () => {
    stopping.abort();
    await running;
  };
  return {
    ready,
    url,
    token,
    client,
    log,
    stop,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      await stop();
      await rm(ownDir, { recursive: true });
    },
  };
}
