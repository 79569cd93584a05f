import type { MissingBlob } from '../agent-api/schemas.ts';
import type { Descriptor } from '../image/descriptor.ts';
import type { Digest } from '../image/digest.ts';
import type { GraphManifest, ImageGraph } from '../image/graph.ts';
import { type Platform, platformDistance } from '../image/platform.ts';

/** How images are to be brought, for all images of an import. */
export interface ImportRules {
  readonly pin: boolean;
  /** More labels of each name. */
  readonly labels: Readonly<Record<string, string>>;
  /** Whether blobs that are here already are noted to belong to the image's repository, too. */
  readonly attribute: boolean;
  /** Whether images are unpacked; false also where the store does not unpack. */
  readonly unpack: boolean;
  /** Whether a layer's blob is wanted although it is unpacked. */
  readonly keepContent: boolean;
  /** Every platform at hand was asked for: only what the node runs is unpacked. */
  readonly everyPlatform: boolean;
  readonly hostPlatforms: readonly Platform[];
}

/** A blob that an image needs. With chain IDs, the layer unpacked to all of them serves as well. */
export interface Need {
  readonly descriptor: Descriptor;
  readonly chainIds?: readonly Digest[] | undefined;
}

export interface Held {
  readonly whole: ReadonlySet<Digest>;
  readonly partial: ReadonlyMap<Digest, number>;
  readonly unpacked: ReadonlySet<Digest>;
}

export function runsHere({ platform }: GraphManifest, rules: ImportRules): boolean {
  return (
    platform !== undefined &&
    rules.hostPlatforms.some((host) => platformDistance(host, platform) !== undefined)
  );
}

export function manifestsToUnpack(graph: ImageGraph, rules: ImportRules): readonly GraphManifest[] {
  if (!rules.unpack) return [];
  return graph.manifests.filter(
    (manifest) => manifest.layers.length > 0 && (!rules.everyPlatform || runsHere(manifest, rules)),
  );
}

/** Every blob that the image needs, documents first, then layers bottom to top. */
export function needsOf(graph: ImageGraph, rules: ImportRules): readonly Need[] {
  const unpacked = new Map<Digest, Digest[]>();
  const asBlobs = new Set<Digest>();
  const toUnpack = new Set(manifestsToUnpack(graph, rules));
  for (const manifest of graph.manifests) {
    for (const layer of manifest.layers) {
      const { digest } = layer.descriptor;
      // Platforms share layers on top of different ones
      if (toUnpack.has(manifest) && !rules.keepContent)
        unpacked.set(digest, [...(unpacked.get(digest) ?? []), layer.chainId]);
      else asBlobs.add(digest);
    }
  }
  return graph.blobs.map((descriptor) =>
    asBlobs.has(descriptor.digest)
      ? { descriptor }
      : { descriptor, chainIds: unpacked.get(descriptor.digest) },
  );
}

export function isMet({ descriptor, chainIds }: Need, held: Held): boolean {
  return (
    held.whole.has(descriptor.digest) || (chainIds?.every((chainId) => held.unpacked.has(chainId)) ?? false)
  );
}

/** The missing set of these needs: each blob once, in the order in which images need them. */
export function missingOf(needs: Iterable<Need>, held: Held): MissingBlob[] {
  const missing = new Map<Digest, MissingBlob>();
  for (const need of needs) {
    const { digest, size, mediaType } = need.descriptor;
    if (missing.has(digest) || isMet(need, held)) continue;
    missing.set(digest, { digest, size, mediaType, offset: Math.min(size, held.partial.get(digest) ?? 0) });
  }
  return [...missing.values()];
}
