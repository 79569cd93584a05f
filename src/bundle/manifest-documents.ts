import { LineCounter, parseDocument } from 'yaml';
import { ImgctlError } from '../errors.ts';

/**
 * Bytes, or rather characters, of one YAML document: parsing takes some fifty times its memory. Objects in a cluster have
 * less than 1.5 MiB; lists of them are written as JSON, which costs next to nothing.
 */
const maxDocument = 8 * 1024 * 1024;
const maxDocuments = 100_000;

/** A list of references may be written as YAML, too. */
const isSequence = /^(?:[ \t\r]*(?:#[^\n]*)?\n)*- /;

/** Aliases may stand for others. Each is one and the same value, so what they cost is their number. */
const maxAliasCount = 10_000;

/**
 * The documents of Kubernetes manifests that may name an image, as plain values: YAML with any number of documents, or
 * JSON. Read leniently: a document that has not even the word is skipped, right or wrong, as are tags that nobody knows
 * and keys that are there twice.
 * @throws ImgctlError `manifest_invalid`, naming file, line and column
 */
export function* manifestDocuments(text: string, label: string): Generator<unknown, void, undefined> {
  const json = /^\s*[{[]/.test(text) ? asJson(text) : undefined;
  if (json !== undefined) {
    yield* json;
    return;
  }
  let count = 0;
  for (const { start, end } of documentsIn(text)) {
    count += 1;
    if (count > maxDocuments) throw invalid(label, `it has more than ${maxDocuments} documents`);
    const document = text.slice(start, end);
    if (!document.includes('image') && !isSequence.test(document)) continue;
    if (document.length > maxDocument) {
      throw invalid(placeOf(text, start, label), `a document has more than ${maxDocument} characters`, {
        hint: 'Divide it with --- lines, or give it as JSON: kubectl get … --output json.',
      });
    }
    yield plainValue(document, { text, start, label });
  }
}

/** One document, or one a line. `{{ … }}` of a template begins as JSON does, and YAML in braces too: they are none. */
function asJson(text: string): unknown[] | undefined {
  return parsed([text]) ?? parsed(text.split('\n').filter((line) => line.trim() !== ''));
}

function parsed(texts: readonly string[]): unknown[] | undefined {
  try {
    return texts.map((text) => JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** A line that begins with `---` begins a document, whatever is around it (YAML 1.2.2, 9.1.2). */
function* documentsIn(text: string): Generator<{ readonly start: number; readonly end: number }> {
  let start = 0;
  for (const { index } of text.matchAll(/^---(?=[ \t\r\n]|$)/gm)) {
    yield { start, end: index };
    start = index + 3;
  }
  yield { start, end: text.length };
}

function plainValue(
  document: string,
  { text, start, label }: { readonly text: string; readonly start: number; readonly label: string },
): unknown {
  const lineCounter = new LineCounter();
  try {
    const yaml = parseDocument(document, {
      lineCounter,
      prettyErrors: false,
      // Its own search for keys that are there twice takes the square of their number
      uniqueKeys: false,
      strict: false,
      merge: true,
      logLevel: 'silent',
    });
    const [flaw] = yaml.errors;
    if (flaw === undefined) return yaml.toJS({ maxAliasCount });
    const place = placeOf(text, start + flaw.pos[0], label);
    throw invalid(place, flaw.message.split('\n')[0]?.replace(/[.:]$/, '') ?? 'it is not YAML');
  } catch (thrown) {
    if (thrown instanceof ImgctlError) throw thrown;
    // The parser calls itself for each level, and refuses aliases that multiply
    throw invalid(placeOf(text, start, label), 'its values are nested too deeply, or refer to each other', {
      cause: thrown,
    });
  }
}

function placeOf(text: string, offset: number, label: string): string {
  const before = text.slice(0, offset);
  return `${label}:${before.split('\n').length}:${offset - before.lastIndexOf('\n')}`;
}

function invalid(
  place: string,
  why: string,
  {
    hint = 'Give Kubernetes manifests as kubectl takes them: render templates first (helm template, kubectl kustomize).',
    cause,
  }: { readonly hint?: string; readonly cause?: unknown } = {},
): ImgctlError {
  return new ImgctlError('manifest_invalid', `${place}: ${why}`, { hint, cause });
}
