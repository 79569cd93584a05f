import { codeOf, unreachable } from '../errors/connection-failure.ts';
import { ImgctlError, isAbortError } from '../errors.ts';
import { notAgentHint } from './answer.ts';

/** Failures of the connection, by the codes of libuv and undici; those of trust are told apart in trust-errors.ts. */

export function connectionError(thrown: unknown, url: URL, signal?: AbortSignal): ImgctlError {
  const aborted = signal?.aborted === true && (thrown === signal.reason || isAbortError(thrown));
  const timedOut = aborted && signal.reason instanceof Error && signal.reason.name === 'TimeoutError';
  if (aborted && !timedOut) return new ImgctlError('interrupted', 'interrupted', { cause: thrown });
  const reason = timedOut ? 'ETIMEDOUT' : codeOf(thrown);
  const why = unreachable[reason];
  if (why !== undefined) {
    return new ImgctlError('node_unreachable', `${url.origin} cannot be reached: ${why}`, {
      hint: hintFor(reason, url),
      context: { reason },
      cause: thrown,
    });
  }
  if (reason.startsWith('HPE_') || reason.startsWith('ERR_SSL_') || reason === 'EPROTO') {
    const spoken = url.protocol === 'https:' ? 'HTTPS' : 'HTTP';
    return new ImgctlError('node_not_agent', `what listens at ${url.host} does not speak ${spoken}`, {
      hint: notAgentHint,
      context: { reason },
      cause: thrown,
    });
  }
  return new ImgctlError('node_unreachable', `the connection to ${url.origin} failed`, {
    hint: 'Try again; the log of the agent there may say more.',
    context: { reason: reason || 'unknown' },
    cause: thrown,
  });
}

function hintFor(reason: string, { hostname, port }: URL): string {
  if (reason === 'ECONNREFUSED') {
    const listen = `${hostname}:${port}`;
    return isLoopbackHost(hostname)
      ? `Start the agent: imgctl agent run${port === '25000' ? '' : ` --listen ${listen}`}`
      : `Start the agent on that node: imgctl agent run --listen ${listen}, and check that no firewall refuses the port.`;
  }
  if (reason === 'ENOTFOUND' || reason === 'EAI_AGAIN')
    return "Check the name, or write the node's address in its place.";
  if (reason === 'EMFILE' || reason === 'ENFILE')
    return 'Raise the limit of open files (ulimit -n), or take the nodes in parts: --selector, --exclude.';
  if (reason === 'ECONNRESET' || reason === 'EPIPE' || reason === 'UND_ERR_SOCKET')
    return 'Run the same command again: what arrived there is kept. If it stays so, see the log of the agent there.';
  return 'Check the address and port, that the node is up, and that no firewall is in between.';
}

function isLoopbackHost(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || hostname.startsWith('127.');
}
