import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  parseDocument,
  visit,
} from 'yaml';
import { ImgctlError } from '../errors.ts';

/** A configuration file as YAML: its text, and where in it each value stands. */
export interface ConfigDocument {
  readonly path: string;
  readonly yaml: Document;
  readonly lines: LineCounter;
}

/** Where a value stands in the document: keys and indexes from the top. */
export type KeyPath = readonly PropertyKey[];

/** What is wrong, where, and what is allowed there. */
export interface Problem {
  readonly at: KeyPath;
  readonly what: string;
  readonly hint: string;
  /** Whether the key is wrong, not what stands behind it. */
  readonly ofKey?: boolean;
}

/** More aliases than this are no longer shorthand: each may stand for as much as the ones before it together. */
const maxAliases = 100;

/** @throws ImgctlError `config_invalid`: not YAML, a key that is there twice */
export function parseConfigDocument(text: string, path: string): ConfigDocument {
  const lines = new LineCounter();
  let yaml: Document;
  let twice: unknown;
  try {
    // Its own search for keys that are there twice takes the square of their number
    yaml = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      uniqueKeys: false,
      version: '1.2',
    });
    twice = keyThatIsThereTwice(yaml);
  } catch (cause) {
    // The parser calls itself for each level
    throw invalidAt({ path, what: tooDeep, hint: shapeHint, cause });
  }
  const [flaw] = [...yaml.errors, ...yaml.warnings];
  if (flaw !== undefined) {
    const { line, col } = lines.linePos(flaw.pos[0]);
    throw invalidAt({ path, line, column: col, what: flawText(flaw), hint: hintOf(flaw.code) });
  }
  if (twice !== undefined) {
    const { line, col } = lines.linePos(startOf(twice) ?? 0);
    const what = `the key ${JSON.stringify(keyText(twice))} is there twice`;
    throw invalidAt({ path, line, column: col, what, hint: 'Remove one of the two.' });
  }
  return { path, yaml, lines };
}

/** The second of the two. */
function keyThatIsThereTwice(yaml: Document): unknown {
  let twice: unknown;
  visit(yaml, {
    Map: (_, { items }) => {
      const seen = new Set<string>();
      twice = items.find(({ key }) => seen.size === seen.add(keyText(key)).size)?.key;
      return twice === undefined ? undefined : visit.BREAK;
    },
  });
  return twice;
}

/** The document as plain values. @throws ImgctlError `config_invalid`: aliases without end */
export function plainValue({ yaml, path }: ConfigDocument): unknown {
  try {
    return yaml.toJS({ maxAliasCount: maxAliases });
  } catch (cause) {
    throw invalidAt({ path, what: 'its aliases cannot be resolved', hint: shapeHint, cause });
  }
}

/** The same with numbers and words such as `yes` as they are written: where they are meant as text. */
export function writtenValue(document: ConfigDocument): unknown {
  visit(document.yaml, {
    Scalar: (_, node) => {
      const isText = typeof node.value === 'string' || node.value === null;
      if (!isText && node.source !== undefined) node.value = node.source;
    },
  });
  return plainValue(document);
}

/** The problem as an error that names file, line, column and key. */
export function problemError(
  { path, yaml, lines }: ConfigDocument,
  { at, what, hint, ofKey = false }: Problem,
): ImgctlError {
  const { line, col } = lines.linePos(offsetOf(yaml, at, ofKey));
  const key = at.map(String).join('.');
  return invalidAt({ path, line, column: col, key, what: key === '' ? what : `${key}: ${what}`, hint });
}

export function lineOf({ yaml, lines }: ConfigDocument, at: KeyPath): number {
  return lines.linePos(offsetOf(yaml, at)).line;
}

/** Of the value, or of its key where nothing stands behind it; of what is around it where it is not there. */
function offsetOf(yaml: Document, at: KeyPath, ofKey = false): number {
  let node: unknown = yaml.contents;
  let key: unknown;
  let offset = startOf(node) ?? 0;
  for (const step of at) {
    if (isAlias(node)) node = node.resolve(yaml);
    const pair = isMap(node) ? node.items.find(({ key }) => keyText(key) === String(step)) : undefined;
    const next: unknown = isSeq(node) ? node.items[Number(step)] : pair?.value;
    key = pair?.key;
    offset = placeOf(next, pair) ?? offset;
    node = next;
  }
  return (ofKey ? startOf(key) : undefined) ?? offset;
}

function placeOf(value: unknown, pair: Pair | undefined): number | undefined {
  const written = isScalar(value) && (value.source ?? '') === '' && value.value === null ? undefined : value;
  // A mapping begins a line below its key, which is what its problems are about
  return isMap(written) ? (startOf(pair?.key) ?? startOf(written)) : (startOf(written) ?? startOf(pair?.key));
}

function startOf(node: unknown): number | undefined {
  const range = typeof node === 'object' && node !== null && 'range' in node ? node.range : undefined;
  return Array.isArray(range) ? Number(range[0]) : undefined;
}

export function keyText(key: unknown): string {
  return String(isScalar(key) ? key.value : key);
}

const tooDeep = 'its values are nested too deeply';
const shapeHint = 'A configuration file has contexts, each with its settings: imgctl config set writes one.';

function hintOf(code: string): string {
  if (code === 'MULTIPLE_DOCS') return 'Keep one: contexts stand beside each other in one document.';
  if (code === 'TAB_AS_INDENT') return 'YAML is indented with spaces.';
  return 'It is not YAML there: look for a missing colon, quote or bracket, and at how it is indented.';
}

interface InvalidPlace {
  readonly path: string;
  readonly line?: number;
  readonly column?: number;
  readonly key?: string;
  readonly what: string;
  readonly hint: string;
  readonly cause?: unknown;
}

function invalidAt({ path, line, column, key, what, hint, cause }: InvalidPlace): ImgctlError {
  const place = line === undefined ? path : `${path}:${line}:${column}`;
  return new ImgctlError('config_invalid', `${place}: ${what}`, {
    hint,
    context: { path, ...(line === undefined ? {} : { line, column }), ...(key ? { key } : {}) },
    cause,
  });
}

/** The parser's own words, but where they speak of the parser. */
function flawText({ code, message }: { readonly code: string; readonly message: string }): string {
  if (code === 'MULTIPLE_DOCS') return 'a second document begins';
  if (message.includes('call stack')) return tooDeep;
  return message.split('\n')[0]?.replace(/[.:]$/, '') ?? message;
}
