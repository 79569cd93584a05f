import { createHash } from 'node:crypto';
import type { Archive } from '../archive/archive.ts';
import { attachedTag } from '../archive/attached-entry.ts';
import { decompress } from '../archive/decompress.ts';
import { documentsOf } from '../archive/describe-images.ts';
import { hasCode, toImgctlError } from '../errors.ts';
import { type Digest, digestAlgorithm, digestHex, shortDigest } from '../image/digest.ts';
import { type GraphLayer, resolveGraph } from '../image/graph.ts';
import { formatPlatform, parsePlatform, platformDistance } from '../image/platform.ts';
import { giveBackChunk } from '../streams/chunk-pool.ts';
import { type BundleDescription, type BundledImage, describeBundle } from './describe-bundle.ts';

/** What is wrong with a part of a bundle. */
export interface BundleFlaw {
  /** A name, or a digest where there is none. */
  readonly what: string;
  readonly detail: string;
  readonly hint: string;
}

export interface BundleVerdict {
  readonly flaws: readonly BundleFlaw[];
  /** Blobs and bytes that were read and hashed. */
  readonly blobs: number;
  readonly bytes: number;
  readonly description: BundleDescription;
}

export interface VerifyOptions {
  /** Platforms that every image must have; those that are there must be whole in any case. */
  readonly platforms?: readonly string[] | undefined;
  /** Blobs that need not be here: what the base of a delta bundle has. */
  readonly isElsewhere?: ((digest: Digest) => boolean) | undefined;
  readonly onBytes?: ((bytes: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

const damaged = 'The bundle was damaged on its way: copy it again, and compare its size with the original.';

const isTwice = {
  detail: 'it is there twice, and tools differ about which one they take',
  hint: 'No tool makes such a bundle: do not trust it, or make it again.',
};

/**
 * Reads all of a bundle: every blob against the digest that is its name, every layer against the diff ID that the
 * image's config has for it, and whether each platform has all of its parts. Flaws are found, not thrown.
 * @throws ImgctlError for documents that are damaged, as reading the archive does
 */
export async function verifyBundle(
  archive: Archive,
  { platforms = [], isElsewhere = () => false, onBytes, signal }: VerifyOptions = {},
): Promise<BundleVerdict> {
  const description = await describeBundle(archive, signal);
  const digests = new Set(archive.digests());
  const layers = await layersOf(archive, signal);
  for (const digest of layers.keys()) if (archive.sizeOf(digest) !== undefined) digests.add(digest);
  const total = [...digests].reduce((sum, digest) => sum + (archive.sizeOf(digest) ?? 0), 0);
  const flaws = archive.twice().map((digest): BundleFlaw => ({ what: digest, ...isTwice }));
  let bytes = 0;
  for (const digest of digests) {
    const hash = createHash(digestAlgorithm(digest));
    for await (const chunk of archive.read(digest, 0, signal)) {
      hash.update(chunk);
      bytes += chunk.byteLength;
      giveBackChunk(chunk);
      onBytes?.(bytes, total);
    }
    const actual = hash.digest('hex');
    if (actual === digestHex(digest)) continue;
    const detail = `its bytes have the digest ${digestAlgorithm(digest)}:${actual}`;
    flaws.push({ what: digest, detail, hint: damaged });
    layers.delete(digest);
  }
  for (const [digest, diffIds] of layers)
    if (digests.has(digest)) flaws.push(...(await diffFlaws(archive, digest, diffIds, signal)));
  const lacking = description.images.flatMap((image) => lackingOf(image, platforms, isElsewhere));
  const beside = await attachedFlaws(archive, isElsewhere, signal);
  return { flaws: [...lacking, ...beside, ...flaws], blobs: digests.size, bytes, description };
}

/** What stands beside the images has to be whole, too: a signature that is there in part signs nothing. */
async function attachedFlaws(
  archive: Archive,
  isElsewhere: (digest: Digest) => boolean,
  signal?: AbortSignal,
): Promise<BundleFlaw[]> {
  const isMissing = (digest: Digest) => archive.sizeOf(digest) === undefined && !isElsewhere(digest);
  const flaws: BundleFlaw[] = [];
  for (const entry of archive.attached) {
    const parts = isMissing(entry.digest)
      ? [entry]
      : (await resolveGraph(entry, { kind: 'all' }, documentsOf(archive, signal))).blobs;
    const lacking = parts.find(({ digest }) => isMissing(digest));
    if (lacking === undefined) continue;
    const what = attachedTag(entry) ?? entry.digest;
    flaws.push({ what, detail: `it lacks ${lacking.digest}`, hint: 'Make the bundle again.' });
  }
  return flaws;
}

/** Every layer with the diff IDs that configs have for it. */
async function layersOf(archive: Archive, signal?: AbortSignal): Promise<Map<Digest, Set<Digest>>> {
  const found = new Map<Digest, Set<Digest>>();
  const add = ({ descriptor, diffId }: GraphLayer) =>
    found.set(descriptor.digest, (found.get(descriptor.digest) ?? new Set<Digest>()).add(diffId));
  for (const { target } of archive.images) {
    try {
      const { manifests } = await resolveGraph(target, { kind: 'all' }, documentsOf(archive, signal));
      for (const { layers } of manifests) layers.forEach(add);
    } catch (thrown) {
      // Told as an image that lacks every platform
      if (!hasCode(thrown, 'platform_missing')) throw thrown;
    }
  }
  return found;
}

/** A layer that unpacks to something else passes every digest, and fails on the node. */
async function diffFlaws(
  archive: Archive,
  digest: Digest,
  diffIds: ReadonlySet<Digest>,
  signal?: AbortSignal,
): Promise<BundleFlaw[]> {
  if (diffIds.size === 1 && diffIds.has(digest)) return [];
  const hint = 'The tool that made the image is at fault, not the way here: build the image again.';
  try {
    const hash = createHash('sha256');
    const { stream } = await decompress(archive.read(digest, 0, signal), digest);
    for await (const chunk of stream) hash.update(chunk);
    const actual = `sha256:${hash.digest('hex')}`;
    const other = [...diffIds].find((diffId) => diffId !== actual);
    if (other === undefined) return [];
    const detail = `it unpacks to ${shortDigest(actual as Digest)}, the image's config says ${shortDigest(other)}`;
    return [{ what: digest, detail, hint }];
  } catch (thrown) {
    signal?.throwIfAborted();
    return [{ what: digest, detail: `it cannot be unpacked: ${toImgctlError(thrown).message}`, hint }];
  }
}

function lackingOf(
  { name, digest, platforms }: BundledImage,
  wanted: readonly string[],
  isElsewhere: (digest: Digest) => boolean,
): BundleFlaw[] {
  const what = name ?? digest;
  const here = platforms.filter(({ state }) => state !== 'absent');
  if (here.length === 0)
    return [{ what, detail: 'nothing of it is in the bundle', hint: 'Make the bundle again.' }];
  const incomplete = here.flatMap(({ platform, missing }) => {
    const lacking = missing.filter((part) => !isElsewhere(part));
    if (lacking.length === 0) return [];
    const more = lacking.length > 1 ? ` and ${lacking.length - 1} more` : '';
    const detail = `${platform ?? 'it'} lacks ${lacking[0]}${more}`;
    return [{ what, detail, hint: 'Make the bundle again; of what was saved in part, name the platform.' }];
  });
  const absent = wanted
    .filter((platform) => here.some((one) => one.platform !== undefined) && !here.some(has(platform)))
    .map((platform) => ({
      what,
      detail: `it has no ${platform}: ${here.map((one) => one.platform).join(', ')}`,
      hint: `Make the bundle for it: --platform ${wanted.join(',')}.`,
    }));
  return [...incomplete, ...absent];
}

function has(wanted: string): (one: { readonly platform: string | undefined }) => boolean {
  const host = parsePlatform(wanted);
  return ({ platform }) =>
    platform !== undefined &&
    formatPlatform(host) === platform &&
    platformDistance(host, parsePlatform(platform)) === 0;
}
