import { archiveField, eventValue, toJson } from './json-values.ts';
import type { Reporter } from './reporter.ts';
import { resultDocuments, type Told } from './result-documents.ts';
import { type OutputStreams, printText } from './streams.ts';

/** Bytes read between two lines that say so: a pipe tells of every chunk. */
const readingStep = 64 * 1024 * 1024;

/** Every event a line of JSON on standard output; the last line is the result, of type `result`. */
export function createNdjsonReporter({ stdout }: OutputStreams): Reporter {
  const told: Told = { warnings: [] };
  let ended = false;
  let bytesTold = 0;

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
      told.warnings.push(message);
      print({ type: 'warning', message });
    },
    reading: (progress) => {
      if (progress.bytes < bytesTold) bytesTold = 0;
      if (progress.bytes - bytesTold < readingStep) return;
      bytesTold = progress.bytes;
      print({ type: progress.activity ?? 'reading', label: progress.label, bytes: progress.bytes });
    },
    start: (run) => {
      told.archive = run.archive;
      print({ type: 'start', ...archiveField(run.archive), nodes: run.nodes });
    },
    archive: (summary) => print({ type: 'archive', ...archiveField(summary) }),
    event: (event) => print(eventValue(event)),
    ...resultDocuments(told, end),
  };
}
