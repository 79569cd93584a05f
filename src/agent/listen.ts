import { isIP } from 'node:net';
import { defaultPort } from '../agent-api/routes.ts';
import { ImgctlError } from '../errors.ts';

export interface ListenAddress {
  /** An IP address without brackets, or a name that resolves to one. */
  readonly host: string;
  readonly port: number;
}

/**
 * `HOST:PORT`, `HOST` or `:PORT` (every address of the machine); IPv6 in brackets, and IPv4 may be: templates that do not
 * know which of the two a node has put brackets around both. @throws ImgctlError `usage`
 */
export function parseListen(text: string): ListenAddress {
  const match = /^(?:\[([0-9a-fA-F:.]+(?:%[\w.]+)?)\]|([^:[\]/@\s]*))(?::(\d{1,5}))?$/.exec(text);
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  const [bracketed, bare] = [match?.[1], match?.[2]];
  const validHost = bracketed === undefined ? match !== null : isIP(bracketed.split('%')[0] ?? '') !== 0;
  if (match === null || !validHost || port > 65_535 || text === '') {
    throw new ImgctlError('usage', `not an address to listen on: ${JSON.stringify(text.slice(0, 200))}`, {
      hint: 'Write HOST:PORT, for example 127.0.0.1:25000, 0.0.0.0:25000 or [::1]:25000.',
    });
  }
  if (bracketed !== undefined) return { host: bracketed, port };
  if (bare === undefined || bare === '') return { host: '::', port };
  // One address, the same on every machine, rather than what its resolver makes of the name
  return { host: bare === 'localhost' ? '127.0.0.1' : bare, port };
}

export function isLoopback(host: string): boolean {
  const mapped = /^::ffff:(\d.*)$/i.exec(host)?.[1] ?? host;
  if (isIP(mapped) === 4) return mapped.startsWith('127.');
  return isIP(mapped) === 6 && /^(?:0{0,4}:)*:?0{0,3}1$/.test(mapped);
}

/** @throws ImgctlError `listen_insecure` where plain HTTP would leave the machine without anybody's consent */
export function requireConsent(
  addresses: readonly ListenAddress[],
  { tls, insecureHttp }: { readonly tls: boolean; readonly insecureHttp: boolean },
): void {
  const open = addresses.find(({ host }) => !isLoopback(host));
  if (open === undefined || tls || insecureHttp) return;
  throw new ImgctlError(
    'listen_insecure',
    `listening on ${formatListen(open)} would send the token and the images over the network in the clear`,
    {
      hint: 'Give the agent a certificate with --tls-cert and --tls-key (imgctl init makes one), listen on 127.0.0.1 only, or add --insecure-http where the network between the nodes is trusted.',
      context: { address: formatListen(open) },
    },
  );
}

export function formatListen({ host, port }: ListenAddress): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
