import { ImgctlError } from '../errors.ts';
import { type Digest, isDigest } from './digest.ts';

/**
 * An image reference, normalised as Docker and Kubernetes do (the grammar of distribution/reference):
 * `nginx` is `docker.io/library/nginx:latest`.
 */
export interface Reference {
  /** Registry host, with its port: `docker.io`, `localhost:5000`. */
  readonly registry: string;
  /** Path below the registry: `library/nginx`. */
  readonly repository: string;
  readonly tag?: string | undefined;
  readonly digest?: Digest | undefined;
}

const domainPart = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const domain = new RegExp(`^(?:${domainPart}(?:\\.${domainPart})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`);
const path = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/;
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

/** Parses and normalises; no tag and no digest means `latest`. @throws ImgctlError `reference_invalid` */
export function parseReference(text: string): Reference {
  if (/^[0-9a-f]{64}$/.test(text)) throw invalid(text, 'it is an image ID, not a name');
  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !isDigest(digest)) throw invalid(text, 'what follows @ is not a digest');
  const name = at < 0 ? text : text.slice(0, at);
  const colon = name.lastIndexOf(':');
  const hasTag = colon > name.lastIndexOf('/');
  const tag = hasTag ? name.slice(colon + 1) : undefined;
  if (tag !== undefined && !tagPattern.test(tag)) throw invalid(text, 'its tag is not valid');
  const { registry, repository } = splitName(hasTag ? name.slice(0, colon) : name);
  if (repository === '') throw invalid(text, 'it is empty');
  if (/[A-Z]/.test(repository)) throw invalid(text, 'a repository name is lower case');
  if (!path.test(repository)) throw invalid(text, 'its repository name is not valid');
  if (!domain.test(registry)) throw invalid(text, 'its registry host is not valid');
  if (registry.length + 1 + repository.length > 255)
    throw invalid(text, 'its name is longer than 255 characters');
  return {
    registry,
    repository,
    ...(tag === undefined && digest === undefined ? { tag: 'latest' } : tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

function splitName(name: string): { registry: string; repository: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const isDomain = first === 'localhost' || /[.:]/.test(first) || /[A-Z]/.test(first);
  if (!isDomain) return { registry: 'docker.io', repository: hubPath(name) };
  const rest = name.slice(slash + 1);
  if (first === 'docker.io' || first === 'index.docker.io')
    return { registry: 'docker.io', repository: hubPath(rest) };
  return { registry: first, repository: rest };
}

function hubPath(name: string): string {
  return name === '' || name.includes('/') ? name : `library/${name}`;
}

function invalid(text: string, why: string): ImgctlError {
  return new ImgctlError(
    'reference_invalid',
    `not an image reference: ${JSON.stringify(text.slice(0, 300))}: ${why}`,
    {
      hint: 'Write [registry/]repository[:tag][@digest], for example registry.example.com/team/app:1.4.',
    },
  );
}

export function isReference(text: string): boolean {
  try {
    parseReference(text);
    return true;
  } catch {
    return false;
  }
}

/** Whether images can be of it: a host, perhaps with a port. `index.docker.io` is not: its images are `docker.io`'s. */
export function isRegistry(text: string): boolean {
  const image = `${text}/x`;
  return isReference(image) && parseReference(image).registry === text;
}

/** The whole name, as stores and the kubelet know it: `docker.io/library/nginx:latest`. */
export function formatReference(reference: Reference): string {
  return `${reference.registry}/${reference.repository}${versionOf(reference)}`;
}

function versionOf({ tag, digest }: Reference): string {
  return `${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

/**
 * As people write it: Docker Hub's host and `library/` left out, where what is left still means the same
 * (`docker.io/foo.bar/app` without its host would be on the host `foo.bar`).
 */
export function familiarReference(reference: Reference): string {
  const { registry, repository } = reference;
  const short = /^library\/[^/]+$/.test(repository) ? repository.slice('library/'.length) : repository;
  const again = splitName(short);
  if (again.registry !== registry || again.repository !== repository) return formatReference(reference);
  return `${short}${versionOf(reference)}`;
}

/** `repository@digest`, the name by which pods find an image that they name by digest (without the tag: the CRI drops it). */
export function digestReference({ registry, repository }: Reference, digest: Digest): string {
  return `${registry}/${repository}@${digest}`;
}
