/**
 * The folder `bundle`: making, looking at and verifying bundles, the archives that carry images to where no registry
 * is.
 *
 * It promises that a bundle is written whole or not at all, that the same inputs give the same bytes, and that what
 * is said of a bundle was read from it. May import: errors, streams, image, archive, the ports; yaml for manifests.
 */

import { documentsOf } from '../archive/describe-images.ts';
import { hasCode } from '../errors.ts';
import type { Descriptor } from '../image/descriptor.ts';
import type { Digest } from '../image/digest.ts';
import { type GraphManifest, type ImageGraph, resolveGraph } from '../image/graph.ts';
import { formatPlatform } from '../image/platform.ts';
import type { ImageSource, SourceImage } from '../image/source.ts';

/** One platform of an image. `absent`: its index names it, and nothing of it was put in. */
export interface BundledPlatform {
  /** Undefined for what is no image: a chart, a signature. */
  readonly platform: string | undefined;
  readonly digest: Digest;
  readonly state: 'whole' | 'incomplete' | 'absent';
  readonly layers: number;
  /** Of its manifest, config and layers, as far as that is known. */
  readonly bytes: number;
  /** So much of it other images of the bundle have too. */
  readonly sharedBytes: number;
  readonly missing: readonly Digest[];
}

export interface BundledImage {
  readonly name: string | undefined;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly platforms: readonly BundledPlatform[];
}

export interface SharedBlob {
  readonly digest: Digest;
  readonly size: number;
  /** By name, or digest where they have none. */
  readonly images: readonly string[];
}

/** What an import into a node of this platform that has nothing yet would take. */
export interface ImportNeeds {
  readonly platform: string;
  readonly images: number;
  readonly bytes: number;
  /** At least. */
  readonly unpackedBytes: number;
}

export interface BundleDescription {
  readonly images: readonly BundledImage[];
  /** Different blobs of all images that are here, and their bytes. */
  readonly blobs: number;
  readonly bytes: number;
  /** Layers that several images have, largest first. */
  readonly shared: readonly SharedBlob[];
  readonly needs: readonly ImportNeeds[];
}

/** What a source of images holds, and what an import of it takes. @throws ImgctlError those of reading documents */
export async function describeBundle(source: ImageSource, signal?: AbortSignal): Promise<BundleDescription> {
  const walked: Walked[] = [];
  for (const image of source.images) walked.push({ image, graph: await graphOf(image, source, signal) });
  const layers = new Map(walked.flatMap(layersOf).map((layer) => [layer.digest, layer]));
  const owners = ownersOf(walked);
  const isShared = (digest: Digest) => (owners.get(digest)?.size ?? 0) > 1;
  const blobs = new Map<Digest, number>();
  for (const { digest } of walked.flatMap(({ graph }) => graph?.blobs ?? [])) {
    const size = source.sizeOf(digest);
    if (size !== undefined) blobs.set(digest, size);
  }
  const shared = [...layers.values()].filter(({ digest }) => isShared(digest) && blobs.has(digest));
  return {
    images: walked.map(({ image, graph }) => ({
      name: image.name,
      digest: image.target.digest,
      mediaType: image.target.mediaType,
      platforms: graph === undefined ? [] : platformsOf(graph, source, isShared),
    })),
    blobs: blobs.size,
    bytes: sum([...blobs.values()]),
    shared: shared
      .map(({ digest, size }) => ({ digest, size, images: namesOf(walked, owners.get(digest)) }))
      .sort((a, b) => b.size - a.size || (a.digest < b.digest ? -1 : 1)),
    needs: await needsOf(walked, source),
  };
}

interface Walked {
  readonly image: SourceImage;
  /** Undefined where not one manifest of it is here. */
  readonly graph: ImageGraph | undefined;
}

async function graphOf(
  { target }: SourceImage,
  source: ImageSource,
  signal?: AbortSignal,
): Promise<ImageGraph | undefined> {
  try {
    return await resolveGraph(target, { kind: 'all' }, documentsOf(source, signal));
  } catch (thrown) {
    if (hasCode(thrown, 'platform_missing')) return undefined;
    throw thrown;
  }
}

function layersOf({ graph }: Walked): Descriptor[] {
  return graph?.manifests.flatMap(({ layers }) => layers.map(({ descriptor }) => descriptor)) ?? [];
}

/** The images that have a blob: two names of one image are one. */
function ownersOf(walked: readonly Walked[]): Map<Digest, Set<Digest>> {
  const owners = new Map<Digest, Set<Digest>>();
  for (const { image, graph } of walked)
    for (const { digest } of graph?.blobs ?? []) {
      const of = owners.get(digest) ?? new Set();
      owners.set(digest, of.add(image.target.digest));
    }
  return owners;
}

function namesOf(walked: readonly Walked[], targets: ReadonlySet<Digest> = new Set()): string[] {
  return walked
    .filter(({ image }) => targets.has(image.target.digest))
    .map(({ image }) => image.name ?? image.target.digest);
}

function platformsOf(
  graph: ImageGraph,
  source: ImageSource,
  isShared: (digest: Digest) => boolean,
): BundledPlatform[] {
  const present = graph.manifests.map((manifest): BundledPlatform => {
    const parts = partsOf(manifest);
    const missing = parts.filter(({ digest }) => source.sizeOf(digest) === undefined);
    return {
      platform: manifest.platform === undefined ? undefined : formatPlatform(manifest.platform),
      digest: manifest.descriptor.digest,
      state: missing.length === 0 ? 'whole' : 'incomplete',
      layers: manifest.manifest.layers.length,
      bytes: sum(parts.map(({ size }) => size)),
      sharedBytes: sum(parts.filter(({ digest }) => isShared(digest)).map(({ size }) => size)),
      missing: missing.map(({ digest }) => digest),
    };
  });
  const here = new Set(present.map(({ digest }) => digest));
  const entries = graph.parents.flatMap(({ document }) =>
    document.kind === 'index' ? document.manifests : [],
  );
  const absent = entries.filter(({ digest, platform }) => isPlatform(platform) && !here.has(digest));
  return [
    ...present,
    ...absent.filter(({ digest }) => source.sizeOf(digest) === undefined).map(absentPlatform),
  ];
}

function absentPlatform({ platform, digest }: Descriptor): BundledPlatform {
  return {
    platform: platform === undefined ? undefined : formatPlatform(platform),
    digest,
    state: 'absent',
    layers: 0,
    bytes: 0,
    sharedBytes: 0,
    missing: [digest],
  };
}

function isPlatform(platform: Descriptor['platform']): boolean {
  return platform !== undefined && platform.os !== 'unknown';
}

function partsOf({ descriptor, manifest }: GraphManifest): Descriptor[] {
  const parts = [descriptor, manifest.config, ...manifest.layers];
  return [...new Map(parts.map((part) => [part.digest, part])).values()];
}

async function needsOf(walked: readonly Walked[], source: ImageSource): Promise<ImportNeeds[]> {
  const byPlatform = new Map<
    string,
    { images: Set<Digest>; parts: Map<Digest, number>; layers: Set<Digest> }
  >();
  for (const { image, graph } of walked)
    for (const manifest of graph?.manifests ?? []) {
      if (manifest.platform === undefined) continue;
      const platform = formatPlatform(manifest.platform);
      const needs = byPlatform.get(platform) ?? { images: new Set(), parts: new Map(), layers: new Set() };
      byPlatform.set(platform, needs);
      needs.images.add(image.target.digest);
      for (const { digest, size } of partsOf(manifest)) needs.parts.set(digest, size);
      for (const { descriptor } of manifest.layers) needs.layers.add(descriptor.digest);
    }
  const all: ImportNeeds[] = [];
  for (const [platform, { images, parts, layers }] of byPlatform) {
    const unpacked: number[] = [];
    for (const digest of layers)
      unpacked.push((await source.unpackedSizeOf?.(digest)) ?? parts.get(digest) ?? 0);
    const bytes = sum([...parts.values()]);
    all.push({ platform, images: images.size, bytes, unpackedBytes: sum(unpacked) });
  }
  return all.sort((a, b) => (a.platform < b.platform ? -1 : 1));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
