import { BlockList, isIP } from 'node:net';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy that the environment names for a server, as kubectl and every Go program read it: HTTPS_PROXY or
 * HTTP_PROXY by the server's scheme, unless NO_PROXY names it or it is this machine.
 */
export function environmentProxy({ protocol, hostname, port }: URL, env: Environment): string | undefined {
  const said = (name: string) => env[name] || env[name.toLowerCase()] || undefined;
  const proxy = said(protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY');
  const host = hostname.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  if (proxy === undefined || host === 'localhost' || host === '::1' || /^127\.[\d.]+$/.test(host))
    return undefined;
  const ownPort = port || (protocol === 'https:' ? '443' : '80');
  const excepted = (said('NO_PROXY') ?? '')
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => {
      const [name, named] = splitPort(entry.toLowerCase());
      return (named === undefined || named === ownPort) && names(name, host);
    });
  if (excepted) return undefined;
  return proxy.includes('://') ? proxy : `http://${proxy}`;
}

/** An entry may be for one port alone: `domain:port`, `[address]:port`. */
function splitPort(entry: string): readonly [name: string, port?: string] {
  const [, address, name = '', port] = /^(?:\[(.*)\]|([^:]*)):(\d+)$/.exec(entry) ?? [];
  return port === undefined ? [entry] : [address ?? name, port];
}

/** An entry of NO_PROXY: `*`, an address, a network, a domain with all below it, or (`.domain`) only what is below. */
function names(entry: string, host: string): boolean {
  if (entry === '*' || entry === host) return true;
  const network = /^(.*)\/(\d+)$/.exec(entry);
  if (network !== null) return inNetwork(host, network[1] ?? '', Number(network[2]));
  return isIP(host) === 0 && host.endsWith(`.${entry.replace(/^\*?\./, '')}`);
}

function inNetwork(host: string, net: string, prefix: number): boolean {
  const family = isIP(net);
  if (family === 0 || isIP(host) !== family || prefix > (family === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  const type = family === 4 ? 'ipv4' : 'ipv6';
  list.addSubnet(net, prefix, type);
  return list.check(host, type);
}
