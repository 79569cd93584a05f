import { createAgentClient } from '../agent-api/agent-client.ts';
import { errorToWire } from '../agent-api/errors.ts';
import type { PeerCheck } from '../agent-api/schemas.ts';
import { toImgctlError } from '../errors.ts';
import { Limiter } from '../streams/limiter.ts';
import type { PeerTrust } from './peers/peer-clients.ts';
import { parsePeerUrl } from './peers/peer-url.ts';

const answersWithinMs = 5_000;
const atOnce = 32;

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
  // Nothing secret is said here, so another agent of this machine may be asked in the clear
  const plainHttp = trust.plainHttp ? 'anywhere' : 'loopback';
  const peers = urls.map((url) => ({ url, baseUrl: parsePeerUrl(url, plainHttp) }));
  const limiter = new Limiter(atOnce);
  return Promise.all(peers.map((peer) => limiter.run(() => checkPeer(peer, trust, signal), signal)));
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
