import { ImgctlError } from '../errors.ts';
import type { AgentAddressing, DiscoveredNode, Discovery } from './discovery.ts';
import { parseNodeEntry } from './node-entry.ts';

/** The nodes of a list: what `--nodes` and `IMGCTL_NODES` hold. */
export function staticDiscovery(list: string, options: AgentAddressing): Discovery {
  return { find: async () => ({ nodes: parseNodeList(list, options) }) };
}

/** The agent of this machine, for whoever names no nodes. */
export function localDiscovery(options: AgentAddressing): Discovery {
  const node = parseNodeEntry('127.0.0.1', options);
  const note = `No nodes named (--nodes): using the agent of this machine, ${node.address}.`;
  return { find: async () => ({ nodes: [node], note }) };
}

/**
 * Entries apart by commas or white space. One that is there twice counts once.
 * @throws ImgctlError `usage`: an entry that is none, a name that two have, two names for one address, an empty list
 */
export function parseNodeList(list: string, options: AgentAddressing): DiscoveredNode[] {
  const entries = list.split(/[\s,]+/).filter((entry) => entry !== '');
  const byAddress = new Map<string, DiscoveredNode>();
  const byName = new Map<string, DiscoveredNode>();
  for (const entry of entries) {
    const node = parseNodeEntry(entry, options);
    const same = byAddress.get(node.address);
    if (same !== undefined) {
      const bothNamed = isNamed(node) && isNamed(same);
      if (bothNamed && same.name !== node.name)
        throw conflict(`${node.address} is named twice, ${same.name} and ${node.name}`);
      if (!isNamed(node) || same.name === node.name) continue;
      byName.delete(same.name);
    }
    const namesake = byName.get(node.name);
    if (namesake !== undefined)
      throw conflict(`two nodes are named ${node.name}: ${namesake.address} and ${node.address}`);
    byAddress.set(node.address, node);
    byName.set(node.name, node);
  }
  if (byAddress.size === 0) {
    throw new ImgctlError('usage', 'the list of nodes is empty', {
      hint: 'Name nodes as host or host:port, apart by commas; without --nodes the agent of this machine is used.',
    });
  }
  return [...byAddress.values()];
}

/** Whether its name is more than its address. */
function isNamed({ name, address }: DiscoveredNode): boolean {
  return name !== address && !address.startsWith(`${name}:`);
}

function conflict(message: string): ImgctlError {
  return new ImgctlError('usage', message, { hint: 'Name each node once in --nodes or IMGCTL_NODES.' });
}
