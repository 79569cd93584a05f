import type { WireError } from '../agent-api/errors.ts';
import { printable } from '../errors.ts';
import { formatBytes } from './format.ts';
import type { DirectoryListing } from './reporter.ts';
import type { ResultTable } from './results.ts';

/** The files of images directories with their images, a row each; where there is no room, the image stands below. */
export function directoriesTable(listing: readonly DirectoryListing[]): ResultTable {
  const rows = listing.flatMap(rowsOf);
  const head = ['NODE', 'FILE', 'SIZE', 'STATE', 'IMAGE'];
  return {
    head,
    rows,
    narrower: {
      head: head.slice(0, -1),
      rows: rows.map((row) => row.slice(0, -1)),
      below: rows.map((row) => (row.at(-1) === '-' ? '' : (row.at(-1) ?? ''))),
      elastic: 1,
    },
  };
}

function rowsOf({ node, status }: DirectoryListing): string[][] {
  if (status === undefined) return [];
  const { directory, files } = status;
  if (files.length === 0)
    return [[printable(node), directory === undefined ? 'no images directory' : 'no files', '-', '-', '-']];
  return files.flatMap(({ path, size, state, images, error }) => {
    const file = [printable(node), printable(within(directory, path)), formatBytes(size)];
    const failure = error === undefined ? state : `${state} (${printable(error.code)})`;
    if (images.length === 0) return [[...file, failure, '-']];
    return images.map(({ name, state: of, error: why }) => [
      ...file,
      why === undefined
        ? of === 'superseded' || (of === 'ready' && error === undefined)
          ? of
          : state
        : `${of} (${printable(why.code)})`,
      printable(name),
    ]);
  });
}

/** Why files and images failed, a line each, and what to do below those that it is for. */
export function directoryErrorLines(listing: readonly DirectoryListing[]): string[] {
  const failed = listing.flatMap(({ node, status }) => {
    const told = (what: string, { code, message, hint }: WireError) => ({
      line: printable(`${node}: ${code}: ${message.includes(what) ? '' : `${what}: `}${message}`),
      hint,
    });
    const own = status?.error === undefined ? [] : [told('images directory', status.error)];
    const files = status?.files ?? [];
    return [
      ...own,
      ...files.flatMap(({ path, images, error }) => [
        ...(error === undefined ? [] : [told(path, error)]),
        ...images.flatMap(({ name, error: why }) => (why === undefined ? [] : [told(name, why)])),
      ]),
    ];
  });
  return [...Map.groupBy(failed, ({ hint }) => hint)].flatMap(([hint, lines]) => [
    ...lines.map(({ line }) => line),
    ...(hint === undefined ? [] : [printable(`  Hint: ${hint}`)]),
  ]);
}

function within(directory: string | undefined, path: string): string {
  return directory !== undefined && path.startsWith(`${directory}/`)
    ? path.slice(directory.length + 1)
    : path;
}
