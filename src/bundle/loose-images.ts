import { parseReference, type Reference } from '../image/reference.ts';

/**
 * What a field of a manifest that is no container's says: `image: quay.io/team/app:1`, `sidecarImage: …`, or repository
 * and tag, as operators read them from their own resources. Whether it is an image that a pod runs one day, only they know.
 */
export function looseImage(key: string, value: unknown): Reference | undefined {
  if (!/image$/i.test(key)) return undefined;
  const text = typeof value === 'string' ? value.trim() : fromParts(value);
  // A single word is as well anything else: a disk, a picture, a policy
  if (text === undefined || !/[/:@]/.test(text)) return undefined;
  try {
    return parseReference(text);
  } catch {
    return undefined;
  }
}

function fromParts(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { registry, repository, tag } = value as Readonly<Record<string, unknown>>;
  if (typeof repository !== 'string') return undefined;
  const host = typeof registry === 'string' && registry !== '' ? `${registry}/` : '';
  return `${host}${repository}${typeof tag === 'string' || typeof tag === 'number' ? `:${tag}` : ''}`;
}
