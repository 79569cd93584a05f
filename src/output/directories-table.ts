import type { WireError } from '../agent-api/errors.ts';
import { printable } from '../errors.ts';
import { formatBytes } from './format.ts';
import type { DirectoryListing } from './reporter.ts';
import type { ResultTable } from './results.ts';

/** The files of images directories with their images, a row each. */
export function directoriesTable(listing: readonly DirectoryListing[]): ResultTable {
  return {
    head: ['NODE', 'FILE', 'SIZE', 'STATE', 'IMAGE'],
    rows: listing.flatMap(({ node, status }) => {
      if (status === undefined) return [];
      const { directory, files } = status;
      if (files.length === 0)
        return [
          [printable(node), directory === undefined ? 'no images directory' : 'no files', '-', '-', '-'],
        ];
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
    }),
  };
}

/** Why files and images failed, a line each. */
export function directoryErrorLines(listing: readonly DirectoryListing[]): string[] {
  return listing.flatMap(({ node, status }) => {
    const line = (what: string, { code, message }: WireError) =>
      printable(`${node}: ${what}: ${code}: ${message}`);
    const own = status?.error === undefined ? [] : [line('images directory', status.error)];
    const files = status?.files ?? [];
    return [
      ...own,
      ...files.flatMap(({ path, images, error }) => [
        ...(error === undefined ? [] : [line(path, error)]),
        ...images.flatMap(({ name, error: why }) => (why === undefined ? [] : [line(name, why)])),
      ]),
    ];
  });
}

function within(directory: string | undefined, path: string): string {
  return directory !== undefined && path.startsWith(`${directory}/`)
    ? path.slice(directory.length + 1)
    : path;
}
