import { isIPv4, isIPv6 } from 'node:net';
import { ImgctlError } from '../errors.ts';
import type { AgentAddressing, DiscoveredNode } from './discovery.ts';

const nodeName = /^[\p{L}\p{N}][\p{L}\p{N}._-]{0,252}$/u;
const hostLabel = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;

/**
 * One entry of a list of nodes: `[name=][http[s]://]host[:port]`, IPv6 in brackets.
 * @throws ImgctlError `usage`, naming the entry
 */
export function parseNodeEntry(entry: string, { defaultPort, tls = false }: AgentAddressing): DiscoveredNode {
  const equals = entry.indexOf('=');
  const name = equals < 0 ? undefined : entry.slice(0, equals);
  if (name !== undefined && !nodeName.test(name))
    throw invalid(entry, 'its name is not one', 'A name has letters, digits, dots, dashes and underscores.');
  const { scheme, authority } = splitScheme(entry, entry.slice(equals + 1));
  const { host, port } = splitPort(entry, authority);
  const bracketed = checkHost(entry, host);
  const address = `${bracketed}:${port ?? defaultPort}`;
  return {
    name: name ?? (port === undefined ? bracketed : address),
    address,
    url: new URL(`${scheme ?? (tls || !isLoopbackHost(bracketed) ? 'https' : 'http')}://${address}`),
  };
}

/** `http://` written out is consent to plain HTTP; a host without a scheme is spoken to over https but on loopback. */
function splitScheme(
  entry: string,
  rest: string,
): { scheme: 'http' | 'https' | undefined; authority: string } {
  const match = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/i.exec(rest);
  if (match === null) return { scheme: undefined, authority: rest };
  const scheme = match[1]?.toLowerCase();
  const authority = match[2]?.replace(/\/$/, '') ?? '';
  if (scheme === 'http' || scheme === 'https') return { scheme, authority };
  throw invalid(entry, `${scheme}:// is not spoken by agents`, 'Write host or host:port.');
}

/** Whether what is sent there stays on this machine. `host` as a URL writes it. */
export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || (isIPv4(host) && host.startsWith('127.'));
}

function splitPort(entry: string, authority: string): { host: string; port: number | undefined } {
  if (authority.includes('@'))
    throw invalid(entry, 'it holds a user name or password', 'Agents take a token: --token-file FILE.');
  if (/[/?#]/.test(authority)) throw invalid(entry, 'it has a path', 'Write host or host:port.');
  if (isIPv6(authority))
    throw invalid(
      entry,
      'an IPv6 address stands in brackets',
      `Write [${authority}] or [${authority}]:PORT.`,
    );
  const match = /^(\[[^\]]*\]|[^:[\]]*)(?::(.*))?$/.exec(authority);
  if (match === null)
    throw invalid(entry, 'it is not host or host:port', 'For example 10.0.4.17 or [fd00::17]:25000.');
  const [, host = '', port] = match;
  if (port === undefined) return { host, port: undefined };
  const number = /^\d{1,5}$/.test(port) ? Number(port) : 0;
  if (number < 1 || number > 65_535)
    throw invalid(
      entry,
      `its port ${JSON.stringify(port)} is not one`,
      'A port is a number from 1 to 65535.',
    );
  return { host, port: number };
}

/** The host as a URL writes it. */
function checkHost(entry: string, host: string): string {
  if (host === '') throw invalid(entry, 'it names no host', 'For example 10.0.4.17 or node-1:25000.');
  if (host.startsWith('[')) {
    if (isIPv6(host.slice(1, -1)) && !host.includes('%')) return new URL(`http://${host}`).hostname;
    throw invalid(entry, `${host} is not an IPv6 address`, 'Zones (%eth0) are not supported.');
  }
  const lower = host.toLowerCase().replace(/\.$/, '');
  // A URL would read 10.4 as 10.0.0.4 and 0x7f.1 as 127.0.0.1, and so send images to a stranger
  if ((isIPv4(lower) || isHostName(lower)) && hostOfUrl(lower) === lower) return lower;
  throw invalid(
    entry,
    `${JSON.stringify(host)} is neither an address nor a host name`,
    'For example 10.0.4.17 or node-1:25000.',
  );
}

function hostOfUrl(host: string): string | undefined {
  return URL.parse(`http://${host}`)?.hostname;
}

function isHostName(host: string): boolean {
  return host.length <= 253 && host.split('.').every((label) => hostLabel.test(label));
}

function invalid(entry: string, why: string, hint: string): ImgctlError {
  return new ImgctlError('usage', `not a node: ${JSON.stringify(entry.slice(0, 300))}: ${why}`, { hint });
}
