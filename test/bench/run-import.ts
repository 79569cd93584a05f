import { bin } from './benchmark.ts';
import type { Cluster, ClusterAgent } from './cluster.ts';
import { type Timed, timed } from './timed-process.ts';

/** One `images import` on a cluster's operator host, and what it says of itself. */
export interface ImportRun extends Timed {
  readonly nodes: readonly NodeResult[];
  /** Payload that it says it sent. */
  readonly bytesSent: number;
  /** What left its interface and what came in, headers and all. */
  readonly uplinkBytes: number;
  readonly downlinkBytes: number;
}

export interface NodeResult {
  readonly node: string;
  readonly status: string;
  readonly bytesSent: number;
  readonly bytesFromPeers: number;
  readonly durationMs: number;
}

/** A node's share of what it lacked. */
export interface ImportProgress {
  readonly node: string;
  readonly receivedBytes: number;
  readonly missingBytes: number;
}

export interface ImportRunOptions {
  /** Default: all of the cluster. */
  readonly agents?: readonly ClusterAgent[];
  readonly args?: readonly string[];
  readonly onProgress?: (progress: ImportProgress) => void;
  /** Some nodes may fail. */
  readonly someMayFail?: boolean;
  /** The import is stopped when so many nodes have everything. */
  readonly enoughNodes?: number;
}

export async function runImport(
  { operator, agents: all, caFile, tokenFile }: Cluster,
  archive: string,
  { agents = all, args = [], onProgress, someMayFail = false, enoughNodes }: ImportRunOptions = {},
): Promise<ImportRun> {
  const [program, ...prefix] = operator.prefix;
  const nodes = agents.map(({ name, host }) => `${name}=${host.address}`).join(',');
  const isTold = onProgress !== undefined || enoughNodes !== undefined;
  const before = await operator.traffic();
  const run = await timed(
    program,
    [
      ...[...prefix, process.execPath, bin, 'images', 'import', archive, '--relay', 'auto', ...args],
      ...['--nodes', nodes, '--ca-file', caFile, '--token-file', tokenFile],
      ...['--output', isTold ? 'ndjson' : 'json'],
    ],
    {
      statuses: [0, ...(someMayFail ? [3] : []), ...(enoughNodes === undefined ? [] : [130])],
      ...(isTold && { onLine: eventLines(onProgress, enoughNodes) }),
    },
  );
  const after = await operator.traffic();
  const text = !isTold ? run.stdout : (run.stdout.trimEnd().split('\n').at(-1) ?? '');
  const result = JSON.parse(text) as { readonly nodes: readonly NodeResult[] };
  return {
    ...run,
    nodes: result.nodes,
    bytesSent: result.nodes.reduce((sum, { bytesSent }) => sum + bytesSent, 0),
    uplinkBytes: after.sentBytes - before.sentBytes,
    downlinkBytes: after.receivedBytes - before.receivedBytes,
  };
}

function eventLines(onProgress: ImportRunOptions['onProgress'], enoughNodes = Number.POSITIVE_INFINITY) {
  let finished = 0;
  return (line: string, stop: () => void) => {
    if (line.includes('"type":"progress"')) onProgress?.(JSON.parse(line) as ImportProgress);
    if (line.includes('"type":"outcome"') && line.includes('"status":"imported"')) finished += 1;
    if (finished >= enoughNodes) stop();
  };
}
