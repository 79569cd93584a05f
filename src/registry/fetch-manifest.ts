import { hasCode, ImgctlError } from '../errors.ts';
import { bareDescriptor, type Descriptor } from '../image/descriptor.ts';
import { type Digest, digestAlgorithm, digestOf, isDigest } from '../image/digest.ts';
import { maxDocumentBytes, parseJson } from '../image/documents.ts';
import { isIndexType, isManifestType, mediaTypes } from '../image/media-types.ts';
import type { EndpointClient, Patience } from './endpoint-client.ts';
import { readBounded } from './read-bounded.ts';
import { protocolError } from './registry-errors.ts';
import type { Repository } from './repository.ts';

export interface Manifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

const accept = [
  mediaTypes.ociIndex,
  mediaTypes.dockerManifestList,
  mediaTypes.ociManifest,
  mediaTypes.dockerManifest,
].join(', ');

/**
 * A manifest or index, by tag or by digest, verified: against the digest that was asked for, or else the one that the
 * registry states (distribution specification, "Pulling manifests").
 */
export function fetchManifest(
  repository: Repository,
  wanted: { readonly tag: string } | { readonly digest: Digest },
  signal?: AbortSignal,
): Promise<Manifest> {
  const name = 'tag' in wanted ? wanted.tag : wanted.digest;
  const by = 'tag' in wanted ? 'resolve' : 'pull';
  return repository.fromAny(by, signal, async (client, patience) => {
    const manifest = await fetch(client, name, patience, signal);
    if ('digest' in wanted && manifest.descriptor.digest !== wanted.digest)
      throw mismatch(client, wanted.digest, manifest.descriptor.digest);
    return manifest;
  });
}

async function fetch(
  client: EndpointClient,
  name: string,
  patience: Patience,
  signal: AbortSignal | undefined,
): Promise<Manifest> {
  const what = `${client.endpoint.repository}${isDigest(name) ? '@' : ':'}${name}`;
  const answer = await client.get({ path: `manifests/${name}`, what, headers: { accept }, patience, signal });
  let bytes: Buffer | undefined;
  try {
    bytes = await readBounded(answer, maxDocumentBytes);
  } catch (error) {
    throw client.broken(error, signal);
  }
  if (bytes === undefined) {
    throw new ImgctlError('document_too_large', `${client.url.host}: the manifest of ${what} is too large`, {
      hint: `Manifests of up to ${maxDocumentBytes} bytes are read: no image tool writes larger ones.`,
      context: { registry: client.url.host },
    });
  }
  const stated = answer.headers['docker-content-digest'];
  const claimed = isDigest(name) ? name : isDigest(stated) ? stated : undefined;
  const digest = digestOf(bytes, claimed === undefined ? 'sha256' : digestAlgorithm(claimed));
  if (claimed !== undefined && claimed !== digest) throw mismatch(client, claimed, digest);
  const mediaType = mediaTypeOf(client, bytes, answer.headers['content-type'], what);
  return { descriptor: bareDescriptor({ mediaType, digest, size: bytes.byteLength }), bytes };
}

/** What the document says of itself; what the server calls it where it does not; else what it looks like. */
function mediaTypeOf(
  client: EndpointClient,
  bytes: Uint8Array,
  header: string | string[] | undefined,
  what: string,
): string {
  const json = objectIn(bytes);
  const served = typeof header === 'string' && json !== undefined ? (header.split(';')[0] ?? '').trim() : '';
  const known = [json?.mediaType, served].find(
    (type): type is string => typeof type === 'string' && (isIndexType(type) || isManifestType(type)),
  );
  if (known !== undefined) return known;
  if (json?.schemaVersion === 2 && Array.isArray(json.manifests)) return mediaTypes.ociIndex;
  if (json?.schemaVersion === 2 && typeof json.config === 'object') return mediaTypes.ociManifest;
  const old = json?.schemaVersion === 1;
  throw protocolError(
    client.url.host,
    old
      ? `${what} is of the old schema 1, which no node takes`
      : `what it gives as ${what} is no image manifest`,
    old ? 'Push the image again with a tool of this decade.' : undefined,
  );
}

/** Undefined for what is no JSON: the page of a login, say. */
function objectIn(bytes: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    return parseJson(bytes);
  } catch (error) {
    if (!hasCode(error, 'document_invalid')) throw error;
    return undefined;
  }
}

function mismatch(client: EndpointClient, wanted: Digest, actual: Digest): ImgctlError {
  return new ImgctlError('digest_mismatch', `${client.url.host} gave ${actual} for ${wanted}`, {
    hint: 'The registry, or a proxy in between, is damaged or not to be trusted.',
    context: { registry: client.url.host, digest: wanted },
  });
}
