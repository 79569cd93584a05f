import { type AgentTrust, createAgentClient } from '../agent-api/agent-client.ts';
import { errorToWire } from '../agent-api/errors.ts';
import type { PeerCheck } from '../agent-api/schemas.ts';
import { ImgctlError, toImgctlError } from '../errors.ts';
import { Limiter } from '../streams/limiter.ts';
import { isLoopback } from './listen.ts';

const answersWithinMs = 5_000;
const atOnce = 32;

export interface PeerTrust extends Omit<AgentTrust, 'token'> {
  /** Whether this agent serves plain HTTP itself, so that its peers may too. */
  readonly plainHttp: boolean;
}

/**
 * Asks each peer's /healthz, and nothing else of nobody: what a caller can make an agent connect to must not become a
 * way into its network. No token is shown, no redirect followed.
 * @throws ImgctlError `request_invalid` for a URL that is not `http[s]://host:port`; nobody is asked then
 */
export async function checkPeers(
  urls: readonly string[],
  trust: PeerTrust,
  signal: AbortSignal,
): Promise<readonly PeerCheck[]> {
  const peers = urls.map((url) => ({ url, baseUrl: parsePeer(url, trust) }));
  const limiter = new Limiter(atOnce);
  return Promise.all(peers.map((peer) => limiter.run(() => checkPeer(peer, trust, signal), signal)));
}

function parsePeer(url: string, { plainHttp }: PeerTrust): URL {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const host = parsed?.hostname.replace(/^\[(.*)\]$/, '$1') ?? '';
  if (
    parsed === undefined ||
    !/^https?:$/.test(parsed.protocol) ||
    url.toLowerCase().replace(/\/$/, '') !== originOf(parsed)
  )
    throw invalid(url, 'is not http[s]://host:port');
  if (parsed.protocol === 'http:' && !plainHttp && !isLoopback(host) && host !== 'localhost')
    throw invalid(url, 'is plain HTTP, and this agent speaks HTTPS');
  return parsed;
}

/** With its port, also where it is the scheme's own. */
function originOf({ protocol, hostname, port }: URL): string {
  return `${protocol}//${hostname}:${port || (protocol === 'https:' ? '443' : '80')}`;
}

async function checkPeer(
  { url, baseUrl }: { readonly url: string; readonly baseUrl: URL },
  { ca, caFile, cert, key }: PeerTrust,
  signal: AbortSignal,
): Promise<PeerCheck> {
  await using client = createAgentClient({
    baseUrl,
    name: baseUrl.host,
    trust: { ca, caFile, cert, key },
    connectTimeoutMs: answersWithinMs,
  });
  const begun = performance.now();
  try {
    await client.healthz(AbortSignal.any([signal, AbortSignal.timeout(answersWithinMs)]));
    return { url, ok: true, rttMs: Math.round((performance.now() - begun) * 10) / 10 };
  } catch (thrown) {
    signal.throwIfAborted();
    return { url, ok: false, error: errorToWire(toImgctlError(thrown)) };
  }
}

function invalid(url: string, why: string): ImgctlError {
  return new ImgctlError('request_invalid', `${JSON.stringify(url.slice(0, 300))} ${why}`);
}
