import { type ImgctlError, printable } from '../errors.ts';
import { checkLines } from './check-lines.ts';
import { describeError } from './describe-error.ts';
import { allErrorLines } from './outcome-lines.ts';
import type { NodeListing, Reporter } from './reporter.ts';
import { type OutputStreams, printLines } from './streams.ts';
import { createStyle } from './style.ts';

/** Errors, and nothing else; of a listing the names alone, as a script wants them. */
export function createQuietReporter({
  stdout,
  stderr,
  color = false,
}: OutputStreams & { readonly color?: boolean }): Reporter {
  const style = createStyle(color);
  const errors = (results: readonly { readonly error?: ImgctlError | undefined }[]) => {
    for (const { error } of results) if (error !== undefined) printLines(stderr, describeError(error, style));
  };
  return {
    note: () => {},
    warn: () => {},
    reading: () => {},
    start: () => {},
    archive: () => {},
    event: () => {},
    finish: ({ nodes, error }) => {
      printLines(stderr, allErrorLines(nodes, style));
      errors([{ error }]);
    },
    preview: errors,
    images: (listing: readonly NodeListing[]) => {
      const names = new Set(listing.flatMap(({ images }) => images.map(({ name }) => printable(name))));
      printLines(stdout, [...names]);
      errors(listing);
    },
    nodes: (listing) => {
      printLines(
        stdout,
        listing.map(({ node }) => printable(node)),
      );
      errors(listing);
    },
    imagesDirectories: (listing) => {
      printLines(
        stdout,
        listing.flatMap(({ status }) => status?.files.map(({ path }) => printable(path)) ?? []),
      );
      errors(listing);
    },
    removed: (results, unknown = []) => errors([...results, ...unknown.map((error) => ({ error }))]),
    done: () => {},
    deployed: errors,
    checks: (results) =>
      printLines(
        stderr,
        checkLines(
          results.filter(({ status }) => status === 'fail'),
          style,
        ),
      ),
    fail: (error) => errors([{ error }]),
  };
}
