import type { X509Certificate } from 'node:crypto';
import { connect, type TLSSocket } from 'node:tls';
import type { AgentTrust } from './agent-client.ts';
import { agentServerName } from './tls-options.ts';

/** What a peer shows, and what it makes of us, when a handshake is all that is done. */
export interface SeenPeer {
  readonly certificate?: X509Certificate | undefined;
  /** It hung up once it had our side of the handshake, which is how a client certificate is refused. */
  readonly hungUp: boolean;
}

const handshakeWithinMs = 3_000;
/** A server that lets us in waits for a request, far longer than this. */
const hangsUpWithinMs = 500;

/**
 * Shakes hands with a peer that is not trusted, only to say why: nothing is sent over the connection, no token and no
 * request. With `trust` our own certificate is shown, and it is waited whether the peer hangs up on it.
 */
export async function lookAtPeer(
  url: URL,
  { trust, signal }: { readonly trust?: AgentTrust | undefined; readonly signal?: AbortSignal | undefined },
): Promise<SeenPeer> {
  const { cert, key } = trust ?? {};
  const socket = connect({
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(url.port || 443),
    servername: agentServerName,
    rejectUnauthorized: false,
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
  });
  // It may break at any later moment, too
  socket.on('error', () => {});
  // With TLS 1.2 it may hang up before the handshake is complete on this side: the keys are agreed on by then
  let agreed = false;
  socket.on('keylog', () => {
    agreed = true;
  });
  try {
    const limit = AbortSignal.timeout(handshakeWithinMs);
    const stop = signal === undefined ? limit : AbortSignal.any([signal, limit]);
    if ((await firstOf(socket, ['secureConnect', 'error', 'close'], stop)) !== 'secureConnect')
      return { hungUp: agreed && !stop.aborted };
    const certificate = socket.getPeerX509Certificate();
    if (trust === undefined) return { certificate, hungUp: false };
    socket.resume();
    const end = await firstOf(socket, ['error', 'end', 'close'], AbortSignal.timeout(hangsUpWithinMs));
    return { certificate, hungUp: end !== undefined };
  } finally {
    socket.destroy();
  }
}

/** Which of the events comes first; undefined when the signal does. */
function firstOf<T extends string>(
  socket: TLSSocket,
  events: readonly T[],
  signal: AbortSignal,
): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<T | undefined>();
  for (const event of events) socket.once(event, () => resolve(event));
  const onAbort = () => resolve(undefined);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  return promise.finally(() => signal.removeEventListener('abort', onAbort));
}
