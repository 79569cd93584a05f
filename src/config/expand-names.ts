import { splitList } from './context-shape.ts';

/** A list of nodes in which a name of the context's own list stands for the node that has it there. */
export function expandNames(list: string, contextNodes: string | undefined): string {
  if (contextNodes === undefined) return list;
  const entries = splitList(contextNodes);
  const byName = new Map(
    entries
      .filter((entry) => entry.includes('='))
      .map((entry) => [entry.slice(0, entry.indexOf('=')), entry]),
  );
  return splitList(list)
    .map((entry) => byName.get(entry) ?? entry)
    .join(',');
}
