import { isIPv6 } from 'node:net';
import { printable } from '../../errors.ts';
import type { AgentAddressing, ClusterFacts, DiscoveredNode } from '../discovery.ts';
import { parseNodeEntry } from '../node-entry.ts';
import type { ApiNode } from './node-schema.ts';

/** Which of a node's addresses is taken first; others, as InternalDNS, last. */
const preference = ['InternalIP', 'ExternalIP', 'Hostname'];

/**
 * Nodes of the API as nodes to speak to, in the order of their names. One that has no address of its own (none at all,
 * or one that another claims as well, as behind the address translation of virtual machines) goes by its name: that
 * may not resolve, but then it is that node's failure, not all nodes'.
 */
export function clusterNodes(nodes: readonly ApiNode[], addressing: AgentAddressing): DiscoveredNode[] {
  const claims = new Map<string, number>();
  const candidates = nodes.map((node) => ({ node, addresses: addressesOf(node, addressing) }));
  for (const { addresses } of candidates)
    for (const address of addresses.keys()) claims.set(address, (claims.get(address) ?? 0) + 1);
  return candidates
    .map(({ node, addresses }) => {
      const own = [...addresses].find(([address]) => claims.get(address) === 1)?.[1];
      const { name } = node.metadata;
      return { ...(own ?? parseNodeEntry(`${name}=${name}`, addressing)), name, cluster: factsOf(node) };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** What can be spoken to, best first, by address. */
function addressesOf(
  { metadata, status }: ApiNode,
  addressing: AgentAddressing,
): Map<string, DiscoveredNode> {
  const rank = (type: string) => (preference.indexOf(type) + preference.length + 1) % (preference.length + 1);
  const found = new Map<string, DiscoveredNode>();
  for (const { address } of (status?.addresses ?? []).toSorted((a, b) => rank(a.type) - rank(b.type))) {
    // The entry's own syntax, schemes and ports, is not for the cluster to use
    const host = isIPv6(address) ? `[${address}]` : address;
    if (!isIPv6(address) && !/^[A-Za-z0-9_.-]+$/.test(address)) continue;
    try {
      const node = parseNodeEntry(`${metadata.name}=${host}`, addressing);
      if (!found.has(node.address)) found.set(node.address, node);
    } catch {
      // Neither an address nor a host name: the next one
    }
  }
  return found;
}

function factsOf({ spec, status }: ApiNode): ClusterFacts {
  const { architecture, operatingSystem, containerRuntimeVersion } = status?.nodeInfo ?? {};
  return {
    ready: status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false,
    cordoned: spec?.unschedulable ?? false,
    platform: operatingSystem && architecture ? printable(`${operatingSystem}/${architecture}`) : undefined,
    runtime: containerRuntimeVersion ? printable(containerRuntimeVersion) : undefined,
  };
}
