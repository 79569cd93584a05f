import type { NodeOutcome, NodePreview } from '../distribute/outcome.ts';
import { type ImgctlError, printable } from '../errors.ts';
import { count, formatBytes, formatDuration } from './format.ts';
import type { ImportResult, NodeListing, RemoveResult } from './reporter.ts';
import { fitText, textWidth } from './text-width.ts';

/** The results of commands as rows of text and a closing line: the same on a terminal and in a file. */

export interface ResultTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export function outcomeTable(outcomes: readonly NodeOutcome[]): ResultTable {
  return {
    head: ['NODE', 'STATUS', 'IMAGES', 'SENT', 'PRESENT', 'TIME'],
    rows: outcomes.map((outcome) => [
      printable(outcome.node),
      outcome.error === undefined ? outcome.status : `${outcome.status} (${printable(outcome.error.code)})`,
      `${outcome.images.filter(({ state }) => state === 'ready').length}/${outcome.images.length}`,
      formatBytes(outcome.bytesSent),
      formatBytes(outcome.bytesSkipped),
      formatDuration(outcome.durationMs),
    ]),
  };
}

/** The closing line of an import. */
export function summaryLine({ archive, nodes, ok, durationMs }: ImportResult): string {
  const images = count(archive.images.length, 'image');
  if (!ok) {
    const good = nodes.filter(({ status }) => status === 'imported' || status === 'unchanged').length;
    if (good === 0) return `No node has everything (${count(nodes.length, 'node')}, ${images}).`;
    return `${good} of ${count(nodes.length, 'node')} ${good === 1 ? 'has' : 'have'} everything (${images}).`;
  }
  if (nodes.every(({ status }) => status === 'unchanged'))
    return `Unchanged: ${images} already on ${count(nodes.length, 'node')}.`;
  const sent = formatBytes(nodes.reduce((sum, { bytesSent }) => sum + bytesSent, 0));
  return `Imported ${images} into ${count(nodes.length, 'node')}: ${sent} sent in ${formatDuration(durationMs)}.`;
}

export function previewTable(previews: readonly NodePreview[]): ResultTable {
  return {
    head: ['NODE', 'IMAGE', 'WOULD BE', 'BLOBS TO SEND', 'BYTES', 'PRESENT'],
    rows: previews.flatMap(({ node, images, blobs, bytes, bytesSkipped, error }) => {
      const sums = [String(blobs), formatBytes(bytes), formatBytes(bytesSkipped)];
      if (error !== undefined) return [[printable(node), '-', `refused (${printable(error.code)})`, ...sums]];
      // The sums are the node's, not the image's: they stand in its first row
      return images.map(({ name, unchanged, error: unfit }, i) => [
        i === 0 ? printable(node) : '',
        printable(name),
        unfit !== undefined
          ? `refused (${printable(unfit.code)})`
          : unchanged === true
            ? 'unchanged'
            : 'imported',
        ...(i === 0 ? sums : ['', '', '']),
      ]);
    }),
  };
}

export function listingTable(listing: readonly NodeListing[]): ResultTable {
  return {
    head: ['NODE', 'IMAGE', 'DIGEST', 'SIZE', 'PLATFORMS', 'PINNED'],
    rows: listing.flatMap(({ node, images }) =>
      images.map(({ name, digest, size, platforms, pinned }) => [
        printable(node),
        printable(name),
        digest.slice(0, digest.indexOf(':') + 13),
        size === undefined ? '-' : formatBytes(size),
        platforms === undefined || platforms.length === 0 ? '-' : printable(platforms.join(',')),
        pinned ? 'yes' : 'no',
      ]),
    ),
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

/** Columns two spaces apart; the last is not padded. */
export function alignColumns({ head, rows }: ResultTable): string[] {
  const widths = head.map((title, i) =>
    Math.max(title.length, ...rows.map((row) => textWidth(row[i] ?? ''))),
  );
  return [head, ...rows].map((row) =>
    row
      .map((cell, i) => fitText(cell, widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
