import type { NodeInfo } from '../agent-api/schemas.ts';
import { mustSpeak } from '../distribute/must-speak.ts';
import { type ImgctlError, toImgctlError } from '../errors.ts';
import type { ListedNode, NodeTrust } from '../output/reporter.ts';
import type { ConnectedNode } from './connect-nodes.ts';
import { describeNode } from './describe-node.ts';

/** How often the way there and back is measured: the shortest is the network's, the others are somebody's work. */
const roundTrips = 3;

export interface NodeAnswer {
  /** Absent where MicroK8s's own agent answers, which tells nothing of itself. */
  readonly info?: NodeInfo | undefined;
  /** Milliseconds; of a small request on a connection that stands. */
  readonly roundTripMs?: number | undefined;
}

/** @throws ImgctlError those of the connection, `runtime_unsupported` */
export async function askNode(connected: ConnectedNode, signal: AbortSignal): Promise<NodeAnswer> {
  const info = await describeNode(connected, signal);
  if (info === undefined) return {};
  let roundTripMs = Number.POSITIVE_INFINITY;
  for (let i = 0; i < roundTrips; i += 1) {
    const begun = performance.now();
    await connected.node.healthz(signal);
    roundTripMs = Math.min(roundTripMs, performance.now() - begun);
  }
  return { info, roundTripMs: Math.round(roundTripMs * 100) / 100 };
}

/** What there is to know of a node: what the cluster says, and what its agent says or why it does not. */
export function listedNode(
  { name, address, url, cluster }: ConnectedNode,
  { answer, error }: { readonly answer?: NodeAnswer | undefined; readonly error?: ImgctlError | undefined },
  mutual: boolean,
): ListedNode {
  const info = answer?.info;
  const platform = cluster?.platform ?? info?.platforms[0];
  const isMicrok8s = answer !== undefined && info === undefined;
  // It is always spoken to over TLS, its certificate pinned, with a token
  const trust = isMicrok8s ? 'tls' : trustOf(url, error, mutual);
  const failure = error ?? (info && otherApi(info.api, name));
  return {
    node: name,
    address,
    ...(cluster === undefined ? {} : { ready: cluster.ready, cordoned: cluster.cordoned }),
    ...(platform === undefined ? {} : { platform }),
    ...(cluster?.runtime === undefined ? {} : { runtime: cluster.runtime }),
    ...(isMicrok8s ? { agent: 'microk8s' } : {}),
    ...(info === undefined ? {} : { agent: info.version, store: info.store }),
    ...(info?.freeBytes === undefined ? {} : { freeBytes: info.freeBytes }),
    ...(trust === undefined ? {} : { trust }),
    ...(info?.tls === undefined ? {} : { certificateEnds: info.tls.notAfter }),
    ...(answer?.roundTripMs === undefined ? {} : { roundTripMs: answer.roundTripMs }),
    ...(failure === undefined ? {} : { error: failure }),
  };
}

function otherApi(api: string, node: string): ImgctlError | undefined {
  try {
    mustSpeak(api);
    return undefined;
  } catch (error) {
    return toImgctlError(error).within({ node });
  }
}

function trustOf(url: URL, error: ImgctlError | undefined, mutual: boolean): NodeTrust | undefined {
  if (error?.code === 'node_untrusted') return 'untrusted';
  if (error?.code === 'node_unauthorized') return 'unauthorized';
  if (error !== undefined) return undefined;
  if (url.protocol === 'http:') return 'plain';
  return mutual ? 'mutual tls' : 'tls';
}
