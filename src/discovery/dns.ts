import { Resolver } from 'node:dns/promises';
import { ImgctlError, printable } from '../errors.ts';
import type { AgentAddressing, DiscoveredNode, Discovery } from './discovery.ts';
import { DnsRecords } from './dns-records.ts';
import { candidateNames, type DnsSearch, systemSearch } from './dns-search.ts';
import { parseNodeEntry } from './node-entry.ts';

export interface DnsOptions {
  /** Servers to ask, `address` or `address:port`; default: those of this machine. */
  readonly servers?: readonly string[] | undefined;
  /** For one server's answer, in milliseconds; each is asked three times. */
  readonly timeoutMs?: number | undefined;
  /** Default: as this machine completes names. */
  readonly search?: DnsSearch | undefined;
}

/** Where agents are announced by a domain's SRV records (RFC 2782). */
const service = '_imgctl._tcp';
const maxNodes = 10_000;

/**
 * The agents that a name stands for: the targets of the SRV records of `_imgctl._tcp` under it, with their ports (of a
 * service of Kubernetes: those of its port `imgctl`), or of its own SRV records; else its A and AAAA records, as a
 * headless service has them. Weight and priority say who is asked first, and here all are. A short name is completed as
 * this machine completes names. `find` throws ImgctlError `discovery_failed`, `usage`.
 */
export function dnsDiscovery(name: string, addressing: AgentAddressing, options: DnsOptions = {}): Discovery {
  return { find };

  async function find(signal?: AbortSignal) {
    checkName(name);
    const resolver = new Resolver({ timeout: options.timeoutMs ?? 3000, tries: 3 });
    if (options.servers !== undefined) resolver.setServers(options.servers);
    const cancel = () => resolver.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      const records = new DnsRecords(name, resolver, signal);
      for (const candidate of candidateNames(name, options.search ?? (await systemSearch()))) {
        const nodes = await findNodes(records, candidate, addressing);
        if (nodes.length > 0) return { nodes, note: noteOf(nodes, candidate) };
      }
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
    throw nothing(name, name.startsWith('_') ? 'it has no SRV records' : 'it has no SRV, A or AAAA records');
  }
}

async function findNodes(
  records: DnsRecords,
  name: string,
  addressing: AgentAddressing,
): Promise<DiscoveredNode[]> {
  const isService = name.startsWith('_');
  for (const owner of isService ? [name] : [`${service}.${name}`, name]) {
    const found = await records.ask(owner, (resolver) => resolver.resolveSrv(owner));
    if (found.length > 0) return serviceNodes(found, name, addressing);
  }
  if (isService) return [];
  const [v4, v6] = await Promise.all([
    records.ask(name, (resolver) => resolver.resolve4(name)),
    records.ask(name, (resolver) => resolver.resolve6(name)),
  ]);
  const hosts = [...v4, ...v6.map((address) => `[${address}]`)];
  return unique(
    name,
    hosts.map((host) => parseNodeEntry(host, addressing)),
  );
}

function noteOf(nodes: readonly DiscoveredNode[], name: string): string {
  return `${nodes.length} ${nodes.length === 1 ? 'node' : 'nodes'} of DNS (${name}).`;
}

interface SrvRecord {
  readonly name: string;
  readonly port: number;
}

/** Nodes are called by their targets; by target and port where several share a host. */
function serviceNodes(
  records: readonly SrvRecord[],
  name: string,
  addressing: AgentAddressing,
): DiscoveredNode[] {
  // RFC 2782: a target of "." says that the service is decidedly not there
  const targets = records.filter((record) => record.name !== '' && record.name !== '.');
  if (targets.length === 0) throw nothing(name, 'its SRV record says that there are none');
  const nodes = targets.map(({ name: target, port }) => {
    try {
      // 0: a service of Kubernetes that names no port
      return parseNodeEntry(port === 0 ? target : `${target}:${port}`, addressing);
    } catch (cause) {
      const message = `an SRV record of ${name} names ${JSON.stringify(printable(target).slice(0, 253))} port ${port}, which is not a host`;
      throw new ImgctlError('discovery_failed', message, { hint: 'Correct that record.', cause });
    }
  });
  const found = unique(name, nodes);
  const hostOf = ({ address }: DiscoveredNode) => address.slice(0, address.lastIndexOf(':'));
  const hosts = Map.groupBy(found, hostOf);
  return found.map((node) =>
    hosts.get(hostOf(node))?.length === 1 ? { ...node, name: hostOf(node) } : node,
  );
}

function unique(name: string, nodes: readonly DiscoveredNode[]): DiscoveredNode[] {
  if (nodes.length > maxNodes) throw nothing(name, `it has more than ${maxNodes} records`);
  const byAddress = new Map(
    nodes.map(({ name: called, address, url }) => [address, { name: called, address, url }]),
  );
  return [...byAddress.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function checkName(name: string): void {
  const labels = name.replace(/\.$/, '').split('.');
  if (name.length <= 254 && labels.every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label)))
    return;
  throw new ImgctlError('usage', `not a name to look up: ${JSON.stringify(printable(name).slice(0, 253))}`, {
    hint: 'For example --discover dns:agents.example.com; a port is given with --agent-port, or by SRV records.',
  });
}

function nothing(name: string, why: string): ImgctlError {
  return new ImgctlError('discovery_failed', `DNS knows no nodes of ${name}: ${why}`, {
    hint: 'Write the full name, with its domain, or name the nodes: --nodes.',
    context: { name },
  });
}
