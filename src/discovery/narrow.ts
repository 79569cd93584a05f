import { listNames, nearest } from '../errors/nearest.ts';
import { ImgctlError } from '../errors.ts';
import type { DiscoveredNode, Discovery } from './discovery.ts';

/** Which of the nodes that were found are meant: by name, address (`host:port`) or host. */
export interface Narrowing {
  /** These alone; absent: all. */
  readonly only?: readonly string[] | undefined;
  readonly exclude: readonly string[];
}

/** A discovery that finds fewer nodes. @throws ImgctlError `node_unknown`, `usage` */
export function narrowed(discovery: Discovery, narrowing: Narrowing): Discovery {
  if (narrowing.only === undefined && narrowing.exclude.length === 0) return discovery;
  return {
    find: async (signal) => {
      const { nodes, note } = await discovery.find(signal);
      return { nodes: narrowNodes(nodes, narrowing), note };
    },
  };
}

/**
 * In the order in which they were found.
 * @throws ImgctlError `node_unknown`: all names at once that no node has; `usage`: no node is left
 */
export function narrowNodes(
  nodes: readonly DiscoveredNode[],
  { only, exclude }: Narrowing,
): readonly DiscoveredNode[] {
  const known = new Map<string, DiscoveredNode[]>();
  for (const node of nodes) {
    // The port is for agents: whoever names a node by its host means that node
    const host = node.address.replace(/:\d+$/, '');
    for (const text of new Set([node.name, node.address, host].map(plain)))
      known.set(text, [...(known.get(text) ?? []), node]);
  }
  const wanted = [...(only ?? []), ...exclude];
  const unknown = [...new Set(wanted.filter((text) => !known.has(plain(text))))];
  if (unknown.length > 0) throw unknownNodes(unknown, nodes);
  const named = (texts: readonly string[]) => new Set(texts.flatMap((text) => known.get(plain(text)) ?? []));
  const [kept, left] = [only === undefined ? new Set(nodes) : named(only), named(exclude)];
  const rest = nodes.filter((node) => kept.has(node) && !left.has(node));
  if (rest.length > 0 || nodes.length === 0) return rest;
  throw new ImgctlError('usage', 'every node is left out', {
    hint: `--exclude names all of them: ${listNames(exclude)}.`,
  });
}

/** Letter case, a scheme, and the brackets of an IPv6 address make no other node. */
function plain(text: string): string {
  const bare = text
    .toLowerCase()
    .replace(/^https?:\/\//, '')
    .replace(/\/$/, '');
  return /^\[[^\]]*\]$/.test(bare) ? bare.slice(1, -1) : bare;
}

function unknownNodes(unknown: readonly string[], nodes: readonly DiscoveredNode[]): ImgctlError {
  const names = nodes.map(({ name }) => name);
  const shown = unknown.map((text) => JSON.stringify(text.slice(0, 300)));
  const near = new Set(unknown.slice(0, 12).flatMap((text) => nearest(text, names) ?? []));
  const message =
    unknown.length === 1
      ? `there is no node ${shown[0]} among the ${nodes.length} that were found`
      : `there are no nodes ${listNames(shown)} among the ${nodes.length} that were found`;
  return new ImgctlError('node_unknown', message, {
    hint: [
      ...(near.size > 0 ? [`Did you mean ${listNames([...near])}?`] : []),
      names.length === 0 ? 'No node was found at all.' : `There are: ${listNames(names)}.`,
    ].join(' '),
    context: { nodes: unknown.slice(0, 100) },
  });
}
