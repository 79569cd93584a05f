import { toJson } from './json-values.ts';
import type { Reporter } from './reporter.ts';
import { resultDocuments, type Told } from './result-documents.ts';
import { type OutputStreams, printText } from './streams.ts';

/** Exactly one JSON document on standard output, whatever happens; nothing on standard error. */
export function createJsonReporter({ stdout }: OutputStreams): Reporter {
  const told: Told = { warnings: [] };
  let printed = false;

  return {
    note: () => {},
    warn: (message) => void told.warnings.push(message),
    reading: () => {},
    start: (run) => {
      told.archive = run.archive;
    },
    archive: () => {},
    event: () => {},
    ...resultDocuments(told, (document) => {
      if (printed) return;
      printed = true;
      printText(stdout, `${toJson(document, 2)}\n`);
    }),
  };
}
