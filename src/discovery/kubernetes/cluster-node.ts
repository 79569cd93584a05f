import { isIPv6 } from 'node:net';
import { printable } from '../../errors.ts';
import type { AgentAddressing, ClusterFacts, DiscoveredNode } from '../discovery.ts';
import { parseNodeEntry } from '../node-entry.ts';
import type { ApiNode } from './resources.ts';

/** Which of a node's addresses is taken first; others, as InternalDNS, last. */
const preference = ['InternalIP', 'ExternalIP', 'Hostname'];

/**
 * Nodes of the API as nodes to speak to, in the order of their names. One that has no address of its own (none at all,
 * or one that another claims as well, as behind the address translation of virtual machines) goes by its name: that
 * may not resolve, but then it is that node's failure, not all nodes'. Of several that claim one, the only Ready one
 * has it: the others are what is left of a host under the names that it had.
 */
export function clusterNodes(nodes: readonly ApiNode[], addressing: AgentAddressing): DiscoveredNode[] {
  const candidates = nodes.map((node) => ({
    node,
    cluster: factsOf(node),
    addresses: addressesOf(node, addressing),
  }));
  const all = claimsOf(candidates);
  const ofReady = claimsOf(candidates.filter(({ cluster }) => cluster.ready));
  return candidates
    .map(({ node, cluster, addresses }) => {
      const isOwn = (address: string) =>
        all.get(address) === 1 || (cluster.ready && ofReady.get(address) === 1);
      const own = [...addresses].find(([address]) => isOwn(address))?.[1];
      const { name } = node.metadata;
      return { ...(own ?? byName(name, addressing)), name, cluster };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** How many nodes claim an address. */
function claimsOf(
  nodes: readonly { readonly addresses: ReadonlyMap<string, unknown> }[],
): Map<string, number> {
  const claims = new Map<string, number>();
  for (const { addresses } of nodes)
    for (const address of addresses.keys()) claims.set(address, (claims.get(address) ?? 0) + 1);
  return claims;
}

/** Not every name of a node is one of a host (12345 is none): such a node gets one that never resolves (RFC 2606). */
function byName(name: string, addressing: AgentAddressing): DiscoveredNode {
  try {
    return parseNodeEntry(name, addressing);
  } catch {
    const label = name
      .replaceAll(/[^a-z0-9]+/g, '-')
      .slice(0, 60)
      .replace(/-$/, '');
    return parseNodeEntry(`${label}.invalid`, addressing);
  }
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
