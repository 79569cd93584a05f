import { ImgctlError } from '../../errors.ts';
import { isLoopback } from '../listen.ts';

/** Where plain HTTP may be spoken to a peer: nobody knows then who it is, and all can read along. */
export type PlainHttp = 'nowhere' | 'loopback' | 'anywhere';

/**
 * The address of another agent, as somebody on the network named it. Only `http[s]://host:port` is one: what a caller
 * can make an agent connect to must not become a way into its network.
 * @throws ImgctlError `request_invalid`
 */
export function parsePeerUrl(url: string, plainHttp: PlainHttp): URL {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const host = parsed?.hostname.replace(/^\[(.*)\]$/, '$1') ?? '';
  if (
    parsed === undefined ||
    !/^https?:$/.test(parsed.protocol) ||
    url.toLowerCase().replace(/\/$/, '') !== originOf(parsed)
  )
    throw invalid(url, 'is not http[s]://host:port');
  const near = plainHttp === 'loopback' && (isLoopback(host) || host === 'localhost');
  if (parsed.protocol === 'http:' && plainHttp !== 'anywhere' && !near)
    throw invalid(url, 'is plain HTTP, and this agent speaks HTTPS');
  return parsed;
}

/** With its port, also where it is the scheme's own. */
function originOf({ protocol, hostname, port }: URL): string {
  return `${protocol}//${hostname}:${port || (protocol === 'https:' ? '443' : '80')}`;
}

function invalid(url: string, why: string): ImgctlError {
  return new ImgctlError('request_invalid', `${JSON.stringify(url.slice(0, 300))} ${why}`);
}
