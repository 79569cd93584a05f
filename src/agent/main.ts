import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { DestinationStream } from 'pino';
import { aliveIntervalMs } from '../agent-api/routes.ts';
import type { Store } from '../store/store.ts';
import { BlobWriters } from '../transfer/blob-writers.ts';
import { Import } from '../transfer/import.ts';
import { createLocalNode } from '../transfer/local-node.ts';
import { defaultDataDir, tokenFileIn } from '../trust/token-file.ts';
import { archiveIntoStore } from './archive-into-store.ts';
import { TokenCheck } from './http/auth.ts';
import type { AgentContext, AgentLimits } from './http/context.ts';
import { createRouter } from './http/router.ts';
import { ImportRegistry } from './imports.ts';
import { formatListen, parseListen, requireConsent } from './listen.ts';
import { createLog, tellImportEnded } from './log.ts';
import { AgentMetrics } from './metrics.ts';
import { openStore } from './open-store.ts';
import { boundAddress, listenOn } from './server.ts';
import { stopAgent } from './stop-agent.ts';
import { Stopping } from './stopping.ts';
import { agentToken } from './token.ts';

/**
 * The agent: a node's image store behind the HTTP API of agent-api/. This file is its composition root, the only one
 * that knows every part; handlers in http/handlers/ see an AgentContext.
 *
 * Promises: nothing is named that is not complete (the import's own promise); every answer is JSON or NDJSON of
 * agent-api's schemas; bodies flow to the store in chunks, never held; no secret is logged.
 * May import: everything of tiers 0 to 3, never cli or output.
 */

export interface AgentSettings {
  /** HOST:PORT each; 127.0.0.1:25000 when empty. */
  readonly listen: readonly string[];
  /** `containerd[:SOCKET]` or `oci:DIR`; absent: the node's containerd. */
  readonly store?: string | undefined;
  readonly namespace: string;
  readonly snapshotter?: string | undefined;
  /** The node's name; the host's unless given. */
  readonly name?: string | undefined;
  readonly dataDir?: string | undefined;
  readonly tokenFile?: string | undefined;
  /** Consent to plain HTTP on addresses beyond loopback. */
  readonly insecureHttp: boolean;
  /** Imports open at once. */
  readonly maxImports?: number | undefined;
}

/** What a started agent is, for whoever started it to tell. */
export interface AgentReady {
  readonly name: string;
  /** HOST:PORT each, with the port that was got where 0 was asked for. */
  readonly addresses: readonly string[];
  readonly tokenFile: string;
}

export interface RunAgentOptions {
  /** Of the program, as the node's description has it. */
  readonly version: string;
  /** Stops the agent in order: see stopAgent. */
  readonly signal: AbortSignal;
  /** Ends the wait for what is under way: a second signal of an impatient user. */
  readonly hurry?: AbortSignal | undefined;
  readonly onReady?: ((ready: AgentReady) => void) | undefined;
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly logTo?: DestinationStream | undefined;
  /** In place of what the settings name. The agent closes it. */
  readonly store?: Store | undefined;
  readonly limits?: Partial<AgentLimits> | undefined;
}

const defaultLimits: AgentLimits = {
  headersMs: 20_000,
  idleMs: 60_000,
  aliveMs: aliveIntervalMs,
  importIdleMs: 10 * 60_000,
  maxImports: 64,
  stopMs: 30_000,
};

/**
 * Runs until `signal` aborts and everything has ended.
 * @throws ImgctlError `usage`, `listen_insecure`, `address_in_use`, `token_missing`, `store_not_found`, `store_unreachable`
 */
export async function runAgent(settings: AgentSettings, options: RunAgentOptions): Promise<void> {
  const { signal, hurry, onReady, env = process.env } = options;
  const listen = settings.listen.length === 0 ? ['127.0.0.1'] : settings.listen;
  const addresses = listen.map(parseListen);
  requireConsent(addresses, settings.insecureHttp);
  const log = createLog(options.logTo);
  const dataDir = resolve(settings.dataDir ?? defaultDataDir(env));
  const tokenFile = settings.tokenFile ?? tokenFileIn(dataDir);
  const token = await agentToken({ named: settings.tokenFile, own: tokenFile }, log);
  const name = settings.name ?? hostname();
  await using store = options.store ?? (await openStore(settings, { env, signal }));
  const limits = {
    ...defaultLimits,
    ...(settings.maxImports === undefined ? {} : { maxImports: settings.maxImports }),
    ...options.limits,
  };
  const agent = compose({ store, name, version: options.version, token, log, limits });
  const app = await createRouter(agent);
  const { kind, version, namespace } = await store.info(signal);
  const servers = await listenOn(addresses, app.routing, limits);
  const bound = servers.map((server) => formatListen(boundAddress(server)));
  log.info({ name, addresses: bound, store: { kind, version, namespace } }, 'agent ready');
  try {
    onReady?.({ name, addresses: bound, tokenFile });
    await aborted(signal);
  } finally {
    await stopAgent({ ...agent, servers }, { stopMs: limits.stopMs, hurry });
    await app.close();
  }
}

interface Ingredients {
  readonly store: Store;
  readonly name: string;
  readonly version: string;
  readonly token: string;
  readonly log: AgentContext['log'];
  readonly limits: AgentLimits;
}

function compose({ store, name, version, token, log, limits }: Ingredients): AgentContext {
  const node = createLocalNode(store, { name, owner: name, version });
  const writers = new BlobWriters();
  const importsInto = (signal: AbortSignal) => ({ store, owner: name, writers, signal });
  const imports: ImportRegistry = new ImportRegistry({
    open: (declaration, signal) => Import.open(importsInto(signal), declaration),
    max: limits.maxImports,
    idleMs: limits.importIdleMs,
    onEnded: (summary) => {
      metrics.importEnded(summary);
      tellImportEnded(log, summary);
    },
  });
  const metrics = new AgentMetrics({ activeImports: () => imports.active });
  return {
    store,
    imports,
    metrics,
    log,
    limits,
    token: new TokenCheck(token),
    stopping: new Stopping(),
    describe: async (signal) => ({
      ...(await node.describe(signal)),
      features: ['archive-import', 'microk8s'],
    }),
    previewImport: (declaration, signal) => Import.preview(importsInto(signal), declaration),
    importArchive: (archive, archiveSettings, signal) =>
      archiveIntoStore(importsInto(signal), archive, archiveSettings, signal),
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
