import { ImgctlError, toImgctlError } from '../errors.ts';
import type { Descriptor } from '../image/descriptor.ts';
import { type Digest, digestAlgorithm, digestHex, isDigest } from '../image/digest.ts';
import { maxDocumentBytes, parseIndex, parseJson } from '../image/documents.ts';
import { isIndexType, isManifestType, mediaTypes } from '../image/media-types.ts';
import { fetchManifest, type Manifest } from './fetch-manifest.ts';
import { readBounded } from './read-bounded.ts';
import { protocolError } from './registry-errors.ts';
import type { Repository } from './repository.ts';
import type { Answer } from './transport.ts';

/** A manifest or index that says something of an image, and where it stands. */
export interface AttachedManifest extends Manifest {
  /** Where it has one: what tells cosign, and older tools, what it is about. */
  readonly tag?: string | undefined;
  readonly artifactType?: string | undefined;
}

/** Tags under which cosign keeps signatures, attestations and SBOMs, in the image's own repository. */
const cosignKinds = ['sig', 'att', 'sbom'] as const;
/** More than anybody signs an image: whoever may push must not keep everybody busy. */
const maxReferrers = 256;
const maxPages = 16;
/** What registries answer to what they do not know of, or do not let everybody see. */
const isAbsent = (status: unknown) => [400, 401, 403, 404, 405, 501].includes(status as number);

/**
 * What a repository holds that is about an image: by cosign's tags, and as referrers (distribution specification 1.1,
 * "Listing Referrers"), or the tag that stands for their list where the registry knows none. Four small requests, at once.
 * @throws ImgctlError `registry_unreachable`, `registry_failed`, `digest_mismatch`
 */
export async function findAttached(
  repository: Repository,
  { subject, withoutReferrers }: Question,
  signal?: AbortSignal,
): Promise<AttachedManifest[]> {
  // A tag has no room for a longer digest
  const tag = digestAlgorithm(subject) === 'sha256' ? `sha256-${digestHex(subject)}` : undefined;
  const tags = tag === undefined ? [] : cosignKinds.map((kind) => `${tag}.${kind}`);
  const tagged = tags.map((tag) => manifestAt(repository, tag, signal));
  const found = await Promise.all([
    ...tagged,
    referrersOf(repository, { subject, tag, withoutReferrers }, signal),
  ]);
  return found.flat();
}

async function manifestAt(
  repository: Repository,
  tag: string,
  signal: AbortSignal | undefined,
): Promise<AttachedManifest[]> {
  const manifest = await orAbsent(() => fetchManifest(repository, { tag }, signal));
  return manifest === undefined ? [] : [{ ...manifest, tag }];
}

async function referrersOf(
  repository: Repository,
  { subject, tag, withoutReferrers }: Question & { readonly tag: string | undefined },
  signal: AbortSignal | undefined,
): Promise<AttachedManifest[]> {
  const listed = await orAbsent(() => listReferrers(repository, { subject, withoutReferrers }, signal));
  if (listed === undefined) return tag === undefined ? [] : manifestAt(repository, tag, signal);
  const found: AttachedManifest[] = [];
  for (const { digest, mediaType, artifactType } of listed) {
    if (!isIndexType(mediaType) && !isManifestType(mediaType)) continue;
    const manifest = await orAbsent(() => fetchManifest(repository, { digest }, signal));
    // A list is not signed: what it says of a manifest counts where the manifest says so too
    if (manifest !== undefined && isAbout(manifest, subject)) found.push({ ...manifest, artifactType });
  }
  return found;
}

function isAbout({ bytes }: Manifest, digest: Digest): boolean {
  const { subject } = parseJson(bytes);
  const about = (subject as { digest?: unknown } | null | undefined)?.digest;
  return isDigest(about) && about === digest;
}

interface Question {
  readonly subject: Digest;
  /** Hosts that are known not to list what refers to an image: they are not asked again. */
  readonly withoutReferrers: Set<string>;
}

/** All pages of the list. @throws ImgctlError with the status 404 where the registry knows no referrers */
function listReferrers(
  repository: Repository,
  { subject, withoutReferrers }: Question,
  signal: AbortSignal | undefined,
): Promise<Descriptor[]> {
  return repository.fromAny('pull', signal, async (client, patience) => {
    const what = `${client.endpoint.repository}@${subject}: what refers to it`;
    if (withoutReferrers.has(client.url.host)) throw unlisted(client.url.host, what);
    const found: Descriptor[] = [];
    let query = '';
    for (let page = 0; ; page += 1) {
      const path = `referrers/${subject}${query}`;
      const asked = { path, what, headers: { accept: mediaTypes.ociIndex }, patience, signal };
      const answer = await client.get(asked).catch((thrown) => {
        // One that knows them has an empty list for what nothing refers to
        if (toImgctlError(thrown).context.status === 404) withoutReferrers.add(client.url.host);
        throw thrown;
      });
      const bytes = await readBounded(answer, maxDocumentBytes).catch((error) => {
        throw client.broken(error, signal);
      });
      if (bytes === undefined) throw protocolError(client.url.host, `${what}, is too long a list`);
      found.push(...referrersIn(bytes, client.url.host, what));
      const next = nextQuery(answer, client.url);
      if (next === undefined) return found;
      if (page === maxPages || found.length > maxReferrers)
        throw protocolError(client.url.host, `${what}, is a list without end`);
      query = next;
    }
  });
}

function referrersIn(bytes: Buffer, host: string, what: string): readonly Descriptor[] {
  try {
    return parseIndex(bytes).manifests.slice(0, maxReferrers + 1);
  } catch {
    // What answers every path with a page of its own knows no referrers
    throw unlisted(host, what);
  }
}

function unlisted(host: string, what: string): ImgctlError {
  return new ImgctlError('image_unknown', `${host} does not list ${what}`, {
    hint: 'Make the bundle without signatures: --no-signatures.',
    context: { registry: host, status: 404 },
  });
}

/** Of the next page, that alone: where a list goes on is not the server's to choose (RFC 8288). */
function nextQuery({ headers: { link } }: Answer, base: URL): string | undefined {
  const [, target] =
    /<([^>]{1,2048})>\s*;[^,]*\brel="?next\b/.exec(typeof link === 'string' ? link : '') ?? [];
  return target === undefined ? undefined : (URL.parse(target, base.href)?.search ?? undefined);
}

async function orAbsent<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (thrown) {
    const { code, context } = toImgctlError(thrown);
    const isRefusal = ['image_unknown', 'registry_unauthorized', 'registry_failed'].includes(code);
    if (isRefusal && isAbsent(context.status)) return undefined;
    throw thrown;
  }
}
