import { ImgctlError, toImgctlError } from '../errors.ts';
import type { Descriptor } from '../image/descriptor.ts';
import { type Digest, shortDigest } from '../image/digest.ts';
import { parseManifest } from '../image/documents.ts';
import { type ImageGraph, resolveGraph } from '../image/graph.ts';
import { isManifestType } from '../image/media-types.ts';
import { formatPlatform, type Platform, parsePlatform } from '../image/platform.ts';
import type { PlatformChoice } from '../image/platform-choice.ts';
import { withPlatformHint } from '../image/platform-hint.ts';
import { readDocument } from '../image/read-document.ts';
import type { ImageSource } from '../image/source.ts';
import type { GraphWithNames } from './archive-node.ts';

export interface WholeImagesOptions {
  /** As a declaration has them: absent: what the node runs. */
  readonly platforms?: readonly string[] | undefined;
  /** What the node runs, where the cluster says it. */
  readonly nodePlatform?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A source's images with exactly what a node needs of them, each content once under all of its names. Of a node whose
 * platform is not known, every platform that the source has whole.
 * @throws ImgctlError `platform_missing`, `archive_incomplete`, and those of reading documents
 */
export async function wholeImages(
  source: ImageSource,
  { platforms, nodePlatform, signal }: WholeImagesOptions,
): Promise<readonly GraphWithNames[]> {
  const choice = choiceOf(platforms, nodePlatform);
  const byTarget = new Map<Digest, { target: Descriptor; names: Set<string> }>();
  for (const { name, target } of source.images) {
    const entry = byTarget.get(target.digest) ?? { target, names: new Set() };
    entry.names.add(name ?? shortDigest(target.digest));
    byTarget.set(target.digest, entry);
  }
  const images: GraphWithNames[] = [];
  for (const { target, names } of byTarget.values()) {
    const graph = await graphOf(source, target, choice, signal);
    const [first = ''] = names;
    mustBeWhole(source, graph, first, platforms?.join(', ') ?? nodePlatform ?? 'every platform');
    images.push({ names: [...names], graph });
  }
  return images;
}

/** What the platforms of these images are called, where they have any. */
export function platformsIn(images: readonly GraphWithNames[]): readonly string[] {
  const platforms = images.flatMap(({ graph }) => graph.manifests.flatMap(({ platform }) => platform ?? []));
  return [...new Set(platforms.map(formatPlatform))];
}

function choiceOf(
  platforms: WholeImagesOptions['platforms'],
  nodePlatform: string | undefined,
): PlatformChoice {
  if (platforms !== undefined && !platforms.includes('all')) {
    const named = platforms.map(parsePlatform);
    const own = nodePlatform === undefined ? undefined : parsePlatform(nodePlatform);
    if (own !== undefined && !named.some((one) => isSameMachine(one, own))) {
      throw new ImgctlError(
        'platform_missing',
        `the node runs ${nodePlatform} and takes no other platform, not ${platforms.join(', ')}`,
        {
          hint: 'Leave --platform out: each node gets what it runs.',
          context: { wanted: nodePlatform, available: platforms },
        },
      );
    }
    return { kind: 'named', platforms: named };
  }
  if (platforms !== undefined || nodePlatform === undefined) return { kind: 'all' };
  return { kind: 'hosts', platforms: [parsePlatform(nodePlatform)] };
}

function isSameMachine(one: Platform, other: Platform): boolean {
  return one.os === other.os && one.architecture === other.architecture;
}

/** With all platforms, those that were not saved count as not there. */
async function graphOf(
  source: ImageSource,
  target: Descriptor,
  choice: PlatformChoice,
  signal: AbortSignal | undefined,
): Promise<ImageGraph> {
  const read = async (descriptor: Descriptor) => {
    if (source.sizeOf(descriptor.digest) === undefined) return undefined;
    const bytes = await readDocument(source, descriptor, signal);
    if (choice.kind !== 'all' || !isManifestType(descriptor.mediaType)) return bytes;
    const { config, layers } = parseManifest(bytes, descriptor);
    return [config, ...layers].every(({ digest }) => source.sizeOf(digest) !== undefined) ? bytes : undefined;
  };
  try {
    return await resolveGraph(target, choice, read);
  } catch (thrown) {
    throw withPlatformHint(toImgctlError(thrown), source.keptIn);
  }
}

function mustBeWhole(
  source: ImageSource,
  { blobs, manifests }: ImageGraph,
  image: string,
  wanted: string,
): void {
  const absent = blobs.filter(({ digest }) => source.sizeOf(digest) === undefined);
  const [first] = absent;
  if (first === undefined && manifests.length > 0) return;
  if (first !== undefined && isManifestType(first.mediaType)) {
    throw new ImgctlError('platform_missing', `the archive was saved without ${wanted} of ${image}`, {
      hint: `Save the image for ${wanted}, or import what is there with --platform.`,
      context: { image, digest: first.digest, wanted },
    });
  }
  const more = absent.length > 1 ? ` and ${absent.length - 1} more` : '';
  throw new ImgctlError(
    'archive_incomplete',
    `the archive lacks ${first?.digest ?? 'parts'}${more} of ${image}`,
    {
      hint: 'Save the image again with every layer, for the platform of the node (--platform chooses another).',
      context: { image, ...(first === undefined ? {} : { digest: first.digest }) },
    },
  );
}
