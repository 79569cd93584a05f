import { hostname } from 'node:os';
import type { DestinationStream } from 'pino';
import { registryFeature } from '../agent-api/registry-source.ts';
import { fetchRelayFeature } from '../agent-api/relay.ts';
import { aliveIntervalMs } from '../agent-api/routes.ts';
import { zstdFeature } from '../agent-api/wire-encoding.ts';
import type { Store } from '../store/store.ts';
import { BlobWriters } from '../transfer/blob-writers.ts';
import { Import } from '../transfer/import.ts';
import { createLocalNode } from '../transfer/local-node.ts';
import { openBundleVerifier } from '../trust/bundle-verifier.ts';
import { archiveIntoStore } from './archive-into-store.ts';
import { checkPeers } from './check-peers.ts';
import type { AgentContext, AgentLimits } from './http/context.ts';
import { probesOnly } from './http/probes.ts';
import { createRouter } from './http/router.ts';
import type { ImagesDirectory } from './images-dir/images-directory.ts';
import { ImportRegistry } from './imports.ts';
import { LineLimit } from './line-limit.ts';
import { formatListen, parseListen, requireConsent } from './listen.ts';
import { type LiveTrust, openLiveTrust } from './live-trust.ts';
import { createLog, tellImportEnded } from './log.ts';
import { AgentMetrics } from './metrics.ts';
import { openImagesDirectory } from './open-images-directory.ts';
import { openStore } from './open-store.ts';
import { PeerClients, type PeerTrust } from './peers/peer-clients.ts';
import { peerSources } from './peers/peer-sources.ts';
import { NodeRegistries } from './registries/node-registries.ts';
import { RelayBuffers } from './relay/buffers.ts';
import { type AgentServer, boundAddress, listenOn, showIdentity } from './server.ts';
import { stopAgent } from './stop-agent.ts';
import { Stopping } from './stopping.ts';
import { StorePulse } from './store-pulse.ts';
import type { TlsIdentity } from './tls/identity.ts';
import { tlsFilesOf } from './tls/tls-files.ts';
import { Uplink } from './uplink.ts';

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
  /** PEM files, both or neither (plain HTTP). */
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  /** Peers are verified against it; absent: `ca.crt` beside the certificate. */
  readonly caFile?: string | undefined;
  /** Clients must show a certificate that it signed. A token is then wanted only where `tokenFile` is given. */
  readonly clientCa?: string | undefined;
  /** HOST:PORT that serves probes over plain HTTP, and nothing else. */
  readonly probeListen?: string | undefined;
  /** Consent to plain HTTP on addresses beyond loopback. */
  readonly insecureHttp: boolean;
  /** Imports open at once. */
  readonly maxImports?: number | undefined;
  /** What it sends to other nodes never comes faster, whatever imports ask for. Bytes a second. */
  readonly maxRate?: number | undefined;
  /** Where registries are, as K3s or containerd has it: one of the two; absent: wherever it stands on this node. */
  readonly registries?: string | undefined;
  readonly hostsDir?: string | undefined;
  /** What is put into this directory gets into the store. */
  readonly imagesDir?: string | undefined;
  /** Files of it that are read at once; 2 unless given. */
  readonly imagesDirConcurrency?: number | undefined;
  /** Whether images are unpinned that no file of it gives any more. */
  readonly imagesDirPrune?: boolean | undefined;
  /** File with the minisign public key that its files must be signed with; absent: they need not be. */
  readonly imagesDirVerifyKey?: string | undefined;
}

/** What a started agent is, for whoever started it to tell. */
export interface AgentReady {
  readonly name: string;
  /** HOST:PORT each, with the port that was got where 0 was asked for. */
  readonly addresses: readonly string[];
  /** Where `probeListen` was given. */
  readonly probeAddress?: string | undefined;
  /** Whether the addresses are spoken to over HTTPS. */
  readonly tls: boolean;
  /** Absent where a client certificate is enough. */
  readonly tokenFile?: string | undefined;
}

export interface RunAgentOptions {
  /** Of the program, as the node's description has it. */
  readonly version: string;
  /** Stops the agent in order: see stopAgent. */
  readonly signal: AbortSignal;
  readonly onReady?: ((ready: AgentReady) => void) | undefined;
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly logTo?: DestinationStream | undefined;
  /** In place of what the settings name. The agent closes it. */
  readonly store?: Store | undefined;
  readonly limits?: Partial<AgentLimits> | undefined;
}

/** Peers are near; of several that are down the next should be tried soon. Milliseconds. */
const peerConnectMs = 5_000;

const defaultLimits: AgentLimits = {
  headersMs: 20_000,
  idleMs: 60_000,
  paceMs: 60_000,
  aliveMs: aliveIntervalMs,
  importIdleMs: 10 * 60_000,
  maxImports: 64,
  peerStallMs: 30_000,
  relayPatienceMs: 500,
  stopMs: 30_000,
  settleMs: 2_000,
  scanMs: 30_000,
  backOffMs: 10_000,
  backOffMostMs: 300_000,
  reloadMs: 2_000,
};

/**
 * Runs until `signal` aborts and everything has ended.
 * @throws ImgctlError `usage`, `listen_insecure`, `address_in_use`, `token_missing`, `certificate_invalid`,
 *   `store_not_found`, `store_unreachable`
 */
export async function runAgent(settings: AgentSettings, options: RunAgentOptions): Promise<void> {
  const { signal, onReady, env = process.env } = options;
  const listen = settings.listen.length === 0 ? ['127.0.0.1'] : settings.listen;
  const addresses = listen.map(parseListen);
  const probeAddress = settings.probeListen === undefined ? undefined : parseListen(settings.probeListen);
  const tls = tlsFilesOf(settings);
  requireConsent(addresses, { tls: tls !== undefined, insecureHttp: settings.insecureHttp });
  const log = createLog(options.logTo);
  const limits = {
    ...defaultLimits,
    ...(settings.maxImports === undefined ? {} : { maxImports: settings.maxImports }),
    ...options.limits,
  };
  const servers: AgentServer[] = [];
  using trust = await openLiveTrust(
    { ...settings, tls },
    { log, env, everyMs: limits.reloadMs, onIdentity: (now) => showIdentity(servers, now) },
  );
  const { imagesDirVerifyKey: key } = settings;
  const verifier = key === undefined ? undefined : await openBundleVerifier(key);
  const name = settings.name ?? hostname();
  await using store = options.store ?? (await openStore(settings, { env, signal }));
  await using peers = new PeerClients({ trust: () => peerTrust(trust), connectTimeoutMs: peerConnectMs });
  const { registries: registriesFile, hostsDir } = settings;
  await using registries = await NodeRegistries.open({ registries: registriesFile, hostsDir, env, log });
  const uplink = new Uplink(settings.maxRate);
  const writers = new BlobWriters();
  let directory: ImagesDirectory | undefined;
  const imagesDirectory = () => directory?.status();
  const own = { store, name, trust, peers, registries, uplink, log, limits, writers, imagesDirectory };
  const agent = compose({ ...own, version: options.version });
  const app = await createRouter(agent);
  const { kind, version, namespace } = await store.info(signal);
  servers.push(...(await listenOn(addresses, app.routing, { limits, log, tls: trust.identity })));
  // It may have changed since they were begun
  if (trust.identity !== undefined) showIdentity(servers, trust.identity);
  const bound = servers.map((server) => formatListen(boundAddress(server)));
  try {
    const probes = probeAddress && (await listenOn([probeAddress], probesOnly(app.routing), { limits, log }));
    servers.push(...(probes ?? []));
    const ready = {
      name,
      addresses: bound,
      tls: trust.identity !== undefined,
      ...(probes?.[0] === undefined ? {} : { probeAddress: formatListen(boundAddress(probes[0])) }),
      ...(trust.tokenFile === undefined ? {} : { tokenFile: trust.tokenFile }),
    };
    log.info({ ...ready, store: { kind, version, namespace } }, 'agent ready');
    onReady?.(ready);
    await using opened = await openImagesDirectory(settings, {
      ...{ imports: { store, owner: name, writers }, registries, log, limits, env, verifier },
      onRead: (outcome) => agent.metrics.directoryFileRead(outcome),
    });
    directory = opened;
    await aborted(signal);
  } finally {
    await stopAgent({ ...agent, servers }, { stopMs: limits.stopMs });
    await app.close();
  }
}

interface Ingredients {
  readonly store: Store;
  readonly name: string;
  readonly version: string;
  readonly trust: LiveTrust;
  readonly peers: PeerClients;
  readonly registries: NodeRegistries;
  readonly uplink: Uplink;
  readonly log: AgentContext['log'];
  readonly limits: AgentLimits;
  readonly writers: BlobWriters;
  readonly imagesDirectory: AgentContext['imagesDirectory'];
}

function compose(ingredients: Ingredients): AgentContext {
  const { store, name, version, trust, peers: clients, uplink, log, limits, writers } = ingredients;
  const { imagesDirectory } = ingredients;
  const begun = performance.now();
  const node = createLocalNode(store, { name, owner: name, version });
  const peersWithin = peerSources({
    clients,
    stallMs: limits.peerStallMs,
    onBytes: (bytes) => metrics.bytesFromPeers(bytes),
  });
  const importsInto = (signal: AbortSignal, maxRate?: number) => {
    const peers = peersWithin(maxRate);
    return { store, owner: name, writers, peers, signal };
  };
  const imports: ImportRegistry = new ImportRegistry({
    open: (declaration, signal) => Import.open(importsInto(signal, declaration.maxRate), declaration),
    max: limits.maxImports,
    idleMs: limits.importIdleMs,
    onEnded: (summary) => {
      metrics.importEnded(summary);
      tellImportEnded(log, summary);
    },
  });
  const metrics = new AgentMetrics({
    activeImports: () => imports.active,
    certificateEnd: () => trust.identity?.notAfter,
    directoryFiles: () => imagesDirectory()?.files.map(({ state }) => state),
  });
  return {
    store,
    pulse: new StorePulse(store),
    imports,
    metrics,
    log,
    strangers: new LineLimit(),
    limits,
    peers: clients,
    registries: ingredients.registries,
    uplink,
    buffers: new RelayBuffers(),
    token: trust.token,
    stopping: new Stopping(),
    imagesDirectory,
    describe: async (signal) => ({
      ...(await node.describe(signal)),
      features: featuresOf(trust.identity),
      ...tlsFactsOf(trust.identity),
      uptimeMs: Math.round(performance.now() - begun),
      timeMs: Date.now(),
    }),
    checkPeers: (urls, signal) => checkPeers(urls, peerTrust(trust), signal),
    previewImport: (declaration, signal) => Import.preview(importsInto(signal), declaration),
    importArchive: (archive, archiveSettings, signal) =>
      archiveIntoStore(importsInto(signal), archive, archiveSettings, signal),
  };
}

/** What stands in the files now. */
function peerTrust({ identity, shownToken }: LiveTrust): PeerTrust {
  const { ca, caFile, cert, key } = identity ?? {};
  return { token: shownToken, ca, caFile, cert, key, plainHttp: identity === undefined };
}

function featuresOf(identity: TlsIdentity | undefined): string[] {
  const tls = identity === undefined ? [] : ['tls'];
  const mutual = identity?.clientCa === undefined ? [] : ['mutual-tls'];
  return [
    'archive-import',
    'fetch',
    fetchRelayFeature,
    'microk8s',
    'peers-check',
    registryFeature,
    'relay',
    zstdFeature,
    ...tls,
    ...mutual,
  ];
}

function tlsFactsOf(identity: TlsIdentity | undefined) {
  if (identity === undefined) return {};
  return { tls: { notAfter: identity.notAfter.toISOString(), fingerprint: identity.fingerprint } };
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
