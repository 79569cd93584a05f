import { hasCode, ImgctlError } from '../errors.ts';
import { formatReference, parseReference, type Reference } from '../image/reference.ts';
import { linesOfList } from '../image/reference-list.ts';
import { manifestDocuments } from './manifest-documents.ts';
import { type LooseImage, podImages } from './pod-images.ts';

/** An image that an input names. */
export interface NamedImage {
  readonly reference: Reference;
  /** For messages: `images.txt:3`, `app.yaml: Deployment shop/web`. */
  readonly where: string;
}

/** Characters of an input: the pods of a large cluster as JSON have a few dozen million. */
const maxText = 128 * 1024 * 1024;

/**
 * The images that a text names: a list of references, one a line, `#` for comments; or Kubernetes manifests. Which of the
 * two it is, its content tells. One that is named twice may be given twice. `onLoose` is told what looks like an image and
 * is in no pod: only the operator of a custom resource knows whether one will run it.
 * @throws ImgctlError `reference_invalid`, `manifest_invalid`, naming the place
 */
export function namedImages(
  text: string,
  label: string,
  onLoose: (image: NamedImage) => void = () => {},
): NamedImage[] {
  // Files that were put one after the other have one each
  const content = text.replace(/^\ufeff/gm, '');
  return isList(content) ? listedImages(content, label) : manifestImages(content, label, onLoose);
}

/** What a file or standard input says, as text. @throws ImgctlError `manifest_invalid`: too long, no text */
export async function readNaming(chunks: AsyncIterable<Uint8Array>, label: string): Promise<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const parts: string[] = [];
  let length = 0;
  const add = (part: string) => {
    length += part.length;
    parts.push(part);
    if (length > maxText) throw new RangeError('it is too long');
  };
  try {
    for await (const chunk of chunks) add(decoder.decode(chunk, { stream: true }));
    add(decoder.decode());
  } catch (cause) {
    const isOurs = cause instanceof RangeError || cause instanceof TypeError;
    if (!isOurs) throw cause;
    const why = cause instanceof RangeError ? 'it is too long' : 'it is not text (UTF-8)';
    throw new ImgctlError('manifest_invalid', `${label}: ${why}`, {
      hint: 'Name a list of images, one a line, or Kubernetes manifests. Archives go with --from-archive, a Helm chart through a pipe: helm template CHART | imgctl bundle create -f -',
      cause,
    });
  }
  return parts.join('');
}

/** Any line with a key, an item or a bracket of YAML makes it that: in a reference no colon stands before a space. */
function isList(text: string): boolean {
  return !/^[ \t]*(?:-(?:\s|$)|---|[{[]|["']?[\w./-]+["']?[ \t]*:(?:\s|$)|%YAML)/m.test(text);
}

function listedImages(list: string, label: string): NamedImage[] {
  return linesOfList(list).map(({ text, line }) => named(text, `${label}:${line}`));
}

/** The images of objects that an API server gave. @throws ImgctlError `reference_invalid`, `manifest_invalid` */
export function objectImages(
  objects: readonly unknown[],
  label: string,
  onLoose: (image: NamedImage) => void = () => {},
): NamedImage[] {
  const tell = ({ reference, owner }: LooseImage) => onLoose({ reference, where: `${label}: ${owner}` });
  return objects.flatMap((object) =>
    podImages(object, tell).map(({ image, owner }) => named(image, `${label}: ${owner}`)),
  );
}

/** Those of them that nothing names, each once. */
export function unnamedOf(loose: readonly NamedImage[], named: readonly NamedImage[]): NamedImage[] {
  const seen = new Set(named.map(({ reference }) => formatReference(reference)));
  return loose.filter(({ reference }) => {
    const name = formatReference(reference);
    const isNew = !seen.has(name);
    seen.add(name);
    return isNew;
  });
}

function manifestImages(text: string, label: string, onLoose: (image: NamedImage) => void): NamedImage[] {
  const found: NamedImage[] = [];
  for (const document of manifestDocuments(text, label)) {
    const isPlainList = Array.isArray(document) && document.every((entry) => typeof entry === 'string');
    if (isPlainList) found.push(...document.map((entry) => named(entry, label)));
    else found.push(...objectImages([document], label, onLoose));
  }
  return found;
}

const renderFirst =
  'Render templates first: helm template CHART, or kubectl kustomize DIR, and | imgctl bundle create -f -';

function named(image: unknown, where: string): NamedImage {
  if (typeof image !== 'string') {
    throw new ImgctlError(
      'manifest_invalid',
      `${where}: an image is not a text but ${JSON.stringify(image)?.slice(0, 80)}`,
      { hint: renderFirst },
    );
  }
  try {
    return { reference: parseReference(image.trim()), where };
  } catch (thrown) {
    if (!hasCode(thrown, 'reference_invalid')) throw thrown;
    const hint = /\{\{|\$[({]/.test(image) ? renderFirst : thrown.hint;
    throw new ImgctlError(thrown.code, `${where}: ${thrown.message}`, { hint, cause: thrown });
  }
}
