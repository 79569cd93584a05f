import type { NodeOutcome, NodePreview } from '../distribute/outcome.ts';
import { type ImgctlError, printable } from '../errors.ts';
import { count, formatBytes, formatDuration } from './format.ts';
import type { ImportResult, NodeListing, RemoveResult } from './reporter.ts';
import { cutText, fitText, textWidth } from './text-width.ts';

/** The results of commands as rows of text and a closing line: the same on a terminal and in a file. */

/** Columns that a cut one keeps at least. */
const minElastic = 8;

export interface ResultTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** A line below each row. */
  readonly below?: readonly string[] | undefined;
  /** The same, for where this one is too wide. */
  readonly narrower?: ResultTable | undefined;
  /** The column that is cut where nothing else helps. */
  readonly elastic?: number | undefined;
}

export function outcomeTable(outcomes: readonly NodeOutcome[]): ResultTable {
  const shared = outcomes.some(({ bytesFromPeers }) => bytesFromPeers > 0);
  const pulled = outcomes.some(({ bytesFromRegistries = 0 }) => bytesFromRegistries > 0);
  const table = (statusOf: (outcome: NodeOutcome) => string) => ({
    head: [
      'NODE',
      'STATUS',
      'IMAGES',
      'SENT',
      ...(pulled ? ['PULLED'] : []),
      ...(shared ? ['PEERS'] : []),
      'PRESENT',
      'TIME',
    ],
    rows: outcomes.map((outcome) => [
      printable(outcome.node),
      statusOf(outcome),
      `${outcome.images.filter(({ state }) => state === 'ready').length}/${outcome.images.length}`,
      formatBytes(outcome.bytesSent),
      ...(pulled ? [formatBytes(outcome.bytesFromRegistries ?? 0)] : []),
      ...(shared ? [formatBytes(outcome.bytesFromPeers)] : []),
      formatBytes(outcome.bytesSkipped),
      formatDuration(outcome.durationMs),
    ]),
  });
  return {
    ...table(({ status, error }) => (error === undefined ? status : `${status} (${printable(error.code)})`)),
    // The codes stand with the errors too
    narrower: { ...table(({ status }) => status), elastic: 0 },
  };
}

/** The closing line of an import. */
export function summaryLine({ archive, nodes, ok, error, durationMs }: ImportResult): string {
  const images = archive === undefined ? undefined : count(archive.images.length, 'image');
  if (!ok) {
    const good = nodes.filter(({ status }) => status === 'imported' || status === 'unchanged').length;
    const isPart = error !== undefined && error.code !== 'interrupted';
    const everything = isPart ? 'everything but what was left out' : 'everything';
    const all = count(nodes.length, 'node');
    if (good === 0) return `No node has ${everything} (${[all, images].filter(Boolean).join(', ')}).`;
    const of = images === undefined ? '' : ` (${images})`;
    return `${good} of ${all} ${good === 1 ? 'has' : 'have'} ${everything}${of}.`;
  }
  const sum = (key: 'bytesSent' | 'bytesFromPeers' | 'bytesFromRegistries' | 'bytesUnneeded') =>
    nodes.reduce((total, node) => total + (node[key] ?? 0), 0);
  const unneeded = sum('bytesUnneeded');
  if (nodes.every(({ status }) => status === 'unchanged'))
    return `Unchanged: ${images} already on ${count(nodes.length, 'node')}.${unneeded > 0 ? ` ${formatBytes(unneeded)} went there before that was known.` : ''}`;
  const passed = sum('bytesFromPeers') > 0 ? `, ${formatBytes(sum('bytesFromPeers'))} among nodes,` : '';
  const read = sum('bytesFromRegistries') > 0 ? `, ${formatBytes(sum('bytesFromRegistries'))} pulled` : '';
  const more = unneeded > 0 ? ` ${formatBytes(unneeded)} of that went there early, and was not needed.` : '';
  return `Imported ${images} into ${count(nodes.length, 'node')}: ${formatBytes(sum('bytesSent'))} sent${read}${passed} in ${formatDuration(durationMs)}.${more}`;
}

export function previewTable(previews: readonly NodePreview[]): ResultTable {
  const cells = previews.flatMap(({ node, images, blobs, bytes, bytesSkipped, error }) => {
    const sums = [String(blobs), formatBytes(bytes), formatBytes(bytesSkipped)];
    if (error !== undefined)
      return [{ node: printable(node), name: '-', state: `refused (${printable(error.code)})`, sums }];
    // The sums are the node's, not the image's: they stand in its first row
    return images.map(({ name, unchanged, error: unfit }, i) => ({
      node: i === 0 ? printable(node) : '',
      name: printable(name),
      state:
        unfit !== undefined
          ? `refused (${printable(unfit.code)})`
          : unchanged === true
            ? 'unchanged'
            : 'imported',
      sums: i === 0 ? sums : ['', '', ''],
    }));
  });
  const ofNode = ['WOULD BE', 'BLOBS TO SEND', 'BYTES', 'PRESENT'];
  return {
    head: ['NODE', 'IMAGE', ...ofNode],
    rows: cells.map(({ node, name, state, sums }) => [node, name, state, ...sums]),
    narrower: {
      head: ['NODE', ...ofNode],
      rows: cells.map(({ node, state, sums }) => [node, state, ...sums]),
      below: cells.map(({ name }) => (name === '-' ? '' : name)),
    },
  };
}

/** The images of nodes, a row each; where there is no room for that, the smaller things stand in a line below. */
export function listingTable(listing: readonly NodeListing[]): ResultTable {
  const cells = listing.flatMap(({ node, images }) =>
    images.map(({ name, digest, size, platforms, pinned }) => ({
      node: printable(node),
      name: printable(name),
      digest: digest.slice(0, digest.indexOf(':') + 13),
      size: size === undefined ? '-' : formatBytes(size),
      platforms: platforms === undefined || platforms.length === 0 ? '-' : printable(platforms.join(',')),
      pinned,
    })),
  );
  return {
    head: ['NODE', 'IMAGE', 'DIGEST', 'SIZE', 'PLATFORMS', 'PINNED'],
    rows: cells.map(({ node, name, digest, size, platforms, pinned }) => [
      node,
      name,
      digest,
      size,
      platforms,
      pinned ? 'yes' : 'no',
    ]),
    narrower: {
      head: ['NODE', 'IMAGE', 'SIZE'],
      rows: cells.map(({ node, name, size }) => [node, name, size]),
      below: cells.map(({ digest, platforms, pinned }) =>
        [digest, ...(platforms === '-' ? [] : [platforms]), ...(pinned ? ['pinned'] : [])].join(', '),
      ),
    },
  };
}

/** One line a node and name; of a name that no node has, the error tells. */
export function removedLines(
  results: readonly RemoveResult[],
  unknown: readonly ImgctlError[] = [],
): string[] {
  const nowhere = new Set(unknown.map(({ context }) => context.image));
  return results
    .filter(({ error, image }) => error === undefined && !nowhere.has(image))
    .map(({ node, image, removed }) =>
      printable(removed ? `${node}: removed ${image}` : `${node}: ${image} was not there`),
    );
}

/** Columns two spaces apart; the last is not padded. In `columns`, as far as the table knows how. */
export function alignColumns(table: ResultTable, columns = Number.POSITIVE_INFINITY): string[] {
  const { head, rows, below, narrower, elastic } = table;
  const widths = head.map((title, i) =>
    Math.max(title.length, ...rows.map((row) => textWidth(row[i] ?? ''))),
  );
  const excess = widths.reduce((sum, width) => sum + width + 2, -2) - columns;
  if (excess > 0 && narrower !== undefined) return alignColumns(narrower, columns);
  if (excess > 0 && elastic !== undefined)
    widths[elastic] = Math.max(minElastic, (widths[elastic] ?? 0) - excess);
  const lines = [head, ...rows].map((row) =>
    row
      .map((cell, i) => fitText(cell, widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  if (below === undefined) return lines;
  return lines.flatMap((line, i) => [line, ...(below[i - 1] ? [cutText(`  ${below[i - 1]}`, columns)] : [])]);
}
