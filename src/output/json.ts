import type { ImgctlError } from '../errors.ts';
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
  toJson,
} from './json-values.ts';
import type { ArchiveSummary, Reporter } from './reporter.ts';
import { type OutputStreams, printText } from './streams.ts';

/** Exactly one JSON document on standard output, whatever happens; nothing on standard error. */
export function createJsonReporter({ stdout }: OutputStreams): Reporter {
  let archive: ArchiveSummary | undefined;
  let printed = false;
  const warnings: string[] = [];

  const print = (document: unknown) => {
    if (printed) return;
    printed = true;
    printText(stdout, `${toJson(document, 2)}\n`);
  };

  return {
    note: () => {},
    warn: (message) => void warnings.push(message),
    reading: () => {},
    start: (run) => {
      archive = run.archive;
    },
    archive: () => {},
    event: () => {},
    finish: (result) => print(resultValue(result, warnings)),
    preview: (previews) => print(previewValue(archive, previews)),
    images: (listing) => print(listingValue(listing)),
    nodes: (listing) => print(nodesValue(listing)),
    imagesDirectories: (listing) => print(directoriesValue(listing)),
    removed: (results, unknown) => print(removedValue(results, unknown)),
    done: (messages, details) => print({ ok: true, messages, warnings, ...details }),
    deployed: (results) => print(deployedValue(results)),
    checks: (results) => print(checksValue(results)),
    fail: (error: ImgctlError) => print(failureValue(error, warnings)),
  };
}
