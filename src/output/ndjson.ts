import {
  archiveField,
  checksValue,
  deployedValue,
  directoriesValue,
  eventValue,
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

/** Bytes read between two lines that say so: a pipe tells of every chunk. */
const readingStep = 64 * 1024 * 1024;

/** Every event a line of JSON on standard output; the last line is the result, of type `result`. */
export function createNdjsonReporter({ stdout }: OutputStreams): Reporter {
  let archive: ArchiveSummary | undefined;
  let ended = false;
  let told = 0;
  const warnings: string[] = [];

  const print = (value: object) => {
    if (!ended) printText(stdout, `${toJson(value)}\n`);
  };
  const end = (value: object) => {
    print({ type: 'result', ...value });
    ended = true;
  };

  return {
    note: (message) => print({ type: 'note', message }),
    warn: (message) => {
      warnings.push(message);
      print({ type: 'warning', message });
    },
    reading: (progress) => {
      if (progress.bytes < told) told = 0;
      if (progress.bytes - told < readingStep) return;
      told = progress.bytes;
      print({ type: progress.activity ?? 'reading', label: progress.label, bytes: progress.bytes });
    },
    start: (run) => {
      archive = run.archive;
      print({ type: 'start', ...archiveField(run.archive), nodes: run.nodes });
    },
    archive: (summary) => print({ type: 'archive', ...archiveField(summary) }),
    event: (event) => print(eventValue(event)),
    finish: (result) => end(resultValue(result, warnings)),
    preview: (previews) => end(previewValue(archive, previews)),
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
