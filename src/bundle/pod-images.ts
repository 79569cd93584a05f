import type { Reference } from '../image/reference.ts';
import { looseImage } from './loose-images.ts';

/** An image that a pod of a manifest runs or mounts. */
export interface PodImage {
  /** As it is written; it need not be a text, let alone a reference. */
  readonly image: unknown;
  /** The object that it is in: `Deployment shop/web`. */
  readonly owner: string;
}

/** The lists of a PodSpec (Kubernetes API reference, core/v1) whose members run an image. */
const containerLists = ['initContainers', 'containers', 'ephemeralContainers'] as const;

/** An image that a manifest names where no pod is. */
export interface LooseImage {
  readonly reference: Reference;
  readonly owner: string;
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * The images of every pod and pod template in a document, wherever it stands: in any kind, in lists, in resources that
 * nobody here has heard of. What is shaped as a PodSpec is taken for one: the cluster would not take less. Images that
 * are mounted as volumes count too. A value that stands in several places, as YAML's aliases make it, is looked at once.
 */
export function podImages(document: unknown, onLoose: (loose: LooseImage) => void = () => {}): PodImage[] {
  const found: PodImage[] = [];
  const known = new Set<unknown>();
  const seen = new Set<unknown>();
  const stack: Visited[] = [{ value: document, owner: 'it', isStatus: false }];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { value } = next;
    if (typeof value !== 'object' || value === null || seen.has(value)) continue;
    seen.add(value);
    const owner = isFields(value) ? (nameOf(value) ?? next.owner) : next.owner;
    if (isFields(value)) {
      found.push(...imagesOf(value).map((image) => ({ image, owner })));
      for (const container of runningIn(value)) known.add(container);
      if (!next.isStatus && !known.has(value)) looseIn(value, (reference) => onLoose({ reference, owner }));
    }
    // The first comes off the stack first
    for (const [key, child] of Object.entries(value).reverse())
      stack.push({ value: child, owner, isStatus: next.isStatus || key === 'status' });
  }
  return found;
}

interface Visited {
  readonly value: unknown;
  readonly owner: string;
  /** What a cluster says has become of an object asks for nothing. */
  readonly isStatus: boolean;
}

function looseIn(value: Fields, onFound: (reference: Reference) => void): void {
  for (const [key, child] of Object.entries(value)) {
    const reference = looseImage(key, child);
    if (reference !== undefined) onFound(reference);
  }
}

function imagesOf(spec: Fields): unknown[] {
  const containers = runningIn(spec);
  if (containers.length === 0) return [];
  const run = containers.map(({ image }) => image);
  const mounted = objectsIn(spec.volumes).map(({ image }) => (isFields(image) ? image.reference : undefined));
  // Overlays name the container alone
  return [...run, ...mounted].filter((image) => image !== undefined && image !== null && image !== '');
}

function runningIn(spec: Fields): Fields[] {
  return containerLists.flatMap((key) => objectsIn(spec[key]));
}

function objectsIn(value: unknown): Fields[] {
  return Array.isArray(value) ? value.filter(isFields) : [];
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What people call an object of Kubernetes; undefined for what is none. */
function nameOf({ kind, metadata }: Fields): string | undefined {
  if (typeof kind !== 'string' || !isFields(metadata)) return undefined;
  const { name, generateName, namespace } = metadata;
  const own = [name, generateName].find((text) => typeof text === 'string') ?? '?';
  return `${kind} ${typeof namespace === 'string' ? `${namespace}/` : ''}${own}`;
}
