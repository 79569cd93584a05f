import {
  checksValue,
  deployedValue,
  directoriesValue,
  failureValue,
  listingValue,
  nodesValue,
  previewValue,
  removedValue,
  resultValue,
} from './json-values.ts';
import type { ArchiveSummary, Reporter } from './reporter.ts';

/** What a run has told before it ends, that its result names again. */
export interface Told {
  archive?: ArchiveSummary | undefined;
  readonly warnings: string[];
}

/** How a command may end, each with the one document that says so. */
type Ending =
  | 'finish'
  | 'preview'
  | 'images'
  | 'nodes'
  | 'imagesDirectories'
  | 'removed'
  | 'done'
  | 'deployed'
  | 'checks'
  | 'fail';

/** The part of a reporter that json and ndjson share: results, as documents for `end`. */
export function resultDocuments(told: Told, end: (document: object) => void): Pick<Reporter, Ending> {
  const { warnings } = told;
  return {
    finish: (result) => end(resultValue(result, warnings)),
    preview: (previews) => end(previewValue(told.archive, previews)),
    images: (listing) => end(listingValue(listing)),
    nodes: (listing) => end(nodesValue(listing)),
    imagesDirectories: (listing) => end(directoriesValue(listing)),
    removed: (results, unknown) => end(removedValue(results, unknown)),
    done: (messages, details) => end({ ok: true, messages, warnings, ...details }),
    deployed: (results) => end(deployedValue(results)),
    checks: (results) => end(checksValue(results)),
    fail: (error) => end(failureValue(error, warnings)),
  };
}
