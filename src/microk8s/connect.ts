import { isIP } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { ImgctlError, isAbortError } from '../errors.ts';

/** A TLS connection to what listens at a node, of whose certificate nothing is known yet but what it is. */

const whys: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'its name does not resolve',
  EAI_AGAIN: 'its name does not resolve (the resolver does not answer)',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to its network',
  ETIMEDOUT: 'it does not answer',
  ECONNRESET: 'the connection broke',
  EPIPE: 'the connection broke',
};

export interface Peer {
  readonly url: URL;
  /** What the certificate is checked against: the outcome stands in `authorized`. */
  readonly ca?: readonly string[] | undefined;
  readonly timeoutMs?: number | undefined;
}

/** @throws ImgctlError `node_unreachable`, `node_not_agent`, `interrupted` */
export async function connect(
  { url, ca, timeoutMs = 10_000 }: Peer,
  signal: AbortSignal,
): Promise<TLSSocket> {
  signal.throwIfAborted();
  const host = hostOf(url);
  const socket = connectTls({
    host,
    port: Number(url.port || 443),
    ...(isIP(host) ? {} : { servername: host }),
    ...(ca === undefined ? {} : { ca: [...ca] }),
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['http/1.1'],
    // Who it is, is decided by whoever asked for the connection; until then nothing is said on it
    rejectUnauthorized: false,
  });
  const late = setTimeout(
    () => socket.destroy(Object.assign(new Error('timed out'), { code: 'ETIMEDOUT' })),
    timeoutMs,
  );
  const onAbort = () => socket.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve).on('error', reject);
      socket.once('close', () => reject(Object.assign(new Error('closed'), { code: 'ECONNRESET' })));
    });
    return socket.setNoDelay();
  } catch (error) {
    throw connectionError(error, url, signal);
  } finally {
    clearTimeout(late);
    signal.removeEventListener('abort', onAbort);
  }
}

function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}

export function connectionError(thrown: unknown, url: URL, signal: AbortSignal): ImgctlError {
  if (thrown instanceof ImgctlError) return thrown;
  if (signal.aborted && signal.reason instanceof ImgctlError) return signal.reason;
  if (signal.aborted || isAbortError(thrown))
    return new ImgctlError('interrupted', 'interrupted', { cause: thrown });
  const first = thrown instanceof AggregateError ? thrown.errors[0] : thrown;
  const reason = first instanceof Error && 'code' in first ? String(first.code) : 'unknown';
  if (reason.startsWith('ERR_SSL_') || reason === 'EPROTO' || reason.startsWith('HPE_')) {
    return new ImgctlError('node_not_agent', `what listens at ${url.host} is not MicroK8s's cluster agent`, {
      hint: 'Check host and port: MicroK8s listens on port 25000, with HTTPS.',
      context: { reason },
      cause: thrown,
    });
  }
  const why = whys[reason] ?? `the connection failed (${reason})`;
  return new ImgctlError('node_unreachable', `MicroK8s's agent at ${url.host} cannot be reached: ${why}`, {
    hint: 'Check that the node is up, that MicroK8s runs there (microk8s status), and that no firewall is in between.',
    context: { reason },
    cause: thrown,
  });
}
