import { ImgctlError } from '../errors.ts';
import { chainIds } from './chain-id.ts';
import { bareDescriptor, type Descriptor } from './descriptor.ts';
import type { Digest } from './digest.ts';
import {
  type ImageConfig,
  type ImageDocument,
  type Index,
  isDocumentType,
  type Manifest,
  parseDocument,
} from './documents.ts';
import { isImageConfigType, isIndexType, isLayerType, isManifestType } from './media-types.ts';
import { normalizePlatform, type Platform } from './platform.ts';
import { type Candidate, choosePlatforms, type PlatformChoice } from './platform-choice.ts';

/**
 * What an image is made of: the documents that lead to its layers, and the part of them that chosen platforms need.
 * Pure but for `read`, which answers documents that are at hand.
 */

/** Deeper nesting of indexes than any tool writes. */
const maxDepth = 8;

/** The bytes of a document that is at hand, verified; undefined where it is not. */
export type ReadDocument = (descriptor: Descriptor) => Promise<Uint8Array | undefined>;

export interface GraphLayer {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
  readonly chainId: Digest;
}

/** One manifest that was chosen. */
export interface GraphManifest {
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  /** Unknown while the config is not at hand, and for what is not an image. */
  readonly platform: Platform | undefined;
  /** Bottom layer first; empty while the config is not at hand, and for what cannot be unpacked. */
  readonly layers: readonly GraphLayer[];
}

export interface ImageGraph {
  readonly target: Descriptor;
  readonly manifests: readonly GraphManifest[];
  /** Parents whose children are known, children first. */
  readonly parents: readonly { readonly descriptor: Descriptor; readonly document: Index | Manifest }[];
  /** Every blob that the chosen platforms need, leaves last: documents first, then layers bottom to top. */
  readonly blobs: readonly Descriptor[];
  /** Documents among them that are not at hand: when they come, the graph may grow. */
  readonly unread: readonly Descriptor[];
}

/**
 * @throws ImgctlError `platform_missing` (as `choosePlatforms`), `image_cycle`, `document_invalid`
 */
export async function resolveGraph(
  target: Descriptor,
  choice: PlatformChoice,
  read: ReadDocument,
): Promise<ImageGraph> {
  const walk = new Walk(read);
  await walk.visit(target, undefined, []);
  const chosen = choosePlatforms(target, walk.candidates, choice, walk.unread.length > 0);
  return assemble(target, walk, chosen);
}

class Walk {
  readonly candidates: Candidate[] = [];
  /** Children before parents. */
  readonly indexes = new Map<Digest, { descriptor: Descriptor; document: Index }>();
  readonly unread: Descriptor[] = [];
  readonly #visited = new Set<Digest>();
  readonly #documents = new Map<string, ImageDocument | undefined>();
  readonly #read: ReadDocument;

  constructor(read: ReadDocument) {
    this.#read = read;
  }

  async visit(descriptor: Descriptor, entry: Descriptor | undefined, path: readonly Digest[]): Promise<void> {
    if (path.includes(descriptor.digest)) {
      throw new ImgctlError('image_cycle', `the index ${descriptor.digest} contains itself`, {
        hint: 'No tool makes such an image: do not trust this archive.',
        context: { digest: descriptor.digest },
      });
    }
    if (path.length > maxDepth) {
      throw new ImgctlError('document_invalid', `indexes are nested more than ${maxDepth} deep`, {
        hint: 'No tool makes such an image: do not trust this archive.',
        context: { digest: descriptor.digest },
      });
    }
    if (isIndexType(descriptor.mediaType)) return this.#visitIndex(descriptor, path);
    // An index may list what is no image at all: that belongs to other tools, and is not even read
    if (entry === undefined || isManifestType(descriptor.mediaType))
      return this.#visitManifest(descriptor, entry, path);
  }

  async #visitIndex(descriptor: Descriptor, path: readonly Digest[]): Promise<void> {
    if (this.#visited.has(descriptor.digest)) return;
    const document = await this.#document(descriptor);
    if (document?.kind !== 'index') {
      // An index that is not at hand is asked for only at the root: below it, it is a part that was not saved
      if (path.length === 0) this.unread.push(bareDescriptor(descriptor));
      return;
    }
    this.#visited.add(descriptor.digest);
    for (const child of document.manifests) {
      await this.visit(child, child, [...path, descriptor.digest]);
    }
    this.indexes.set(descriptor.digest, { descriptor: bareDescriptor(descriptor), document });
  }

  async #visitManifest(
    descriptor: Descriptor,
    entry: Descriptor | undefined,
    path: readonly Digest[],
  ): Promise<void> {
    const document = await this.#document(descriptor);
    const manifest = document?.kind === 'manifest' ? document : undefined;
    const config =
      manifest && isImageConfigType(manifest.config.mediaType)
        ? await this.#config(manifest.config)
        : undefined;
    if (manifest === undefined && path.length === 0) this.unread.push(bareDescriptor(descriptor));
    this.candidates.push({
      descriptor: bareDescriptor(descriptor),
      platform: stated(entry?.platform) ?? stated(config?.platform),
      manifest,
      config,
      attachment: isAttachment(entry),
      path,
    });
  }

  async #config(descriptor: Descriptor): Promise<ImageConfig | undefined> {
    const document = await this.#document(descriptor);
    return document?.kind === 'config' ? document : undefined;
  }

  /** Each is read once, however often an index names it. */
  async #document(descriptor: Descriptor): Promise<ImageDocument | undefined> {
    const key = `${descriptor.mediaType} ${descriptor.digest}`;
    if (this.#documents.has(key)) return this.#documents.get(key);
    const bytes = await this.#read(descriptor);
    const document = bytes === undefined ? undefined : parseDocument(descriptor, bytes);
    this.#documents.set(key, document);
    return document;
  }
}

/** Signatures have a config with empty fields: that is no platform. */
function stated(platform: Platform | undefined): Platform | undefined {
  return platform === undefined || platform.architecture === '' ? undefined : normalizePlatform(platform);
}

/** BuildKit's attestations stand in an index as a manifest of platform unknown/unknown. */
function isAttachment(entry: Descriptor | undefined): boolean {
  if (entry === undefined) return false;
  return (
    entry.annotations?.['vnd.docker.reference.type'] !== undefined ||
    (entry.platform?.os === 'unknown' && entry.platform.architecture === 'unknown')
  );
}

function assemble(target: Descriptor, walk: Walk, candidates: readonly Candidate[]): ImageGraph {
  const chosen = [
    ...new Map(candidates.map((candidate) => [candidate.descriptor.digest, candidate])).values(),
  ];
  const blobs = new Map<Digest, Descriptor>();
  const unread = new Map(walk.unread.map((descriptor) => [descriptor.digest, descriptor]));
  const add = (descriptor: Descriptor) => {
    const before = blobs.get(descriptor.digest);
    if (before === undefined) blobs.set(descriptor.digest, bareDescriptor(descriptor));
    else if (before.size !== descriptor.size) throw twoSizes(before, descriptor);
  };
  add(target);
  for (const digest of chosen.flatMap((candidate) => candidate.path))
    add(walk.indexes.get(digest)?.descriptor ?? target);
  for (const { descriptor, manifest, config } of chosen) {
    add(descriptor);
    if (manifest === undefined) {
      unread.set(descriptor.digest, descriptor);
      continue;
    }
    add(manifest.config);
    if (config === undefined && isDocumentType(manifest.config.mediaType)) {
      unread.set(manifest.config.digest, bareDescriptor(manifest.config));
    }
  }
  for (const { manifest } of chosen) manifest?.layers.forEach(add);
  const indexes = [...walk.indexes.values()].filter(({ descriptor }) => blobs.has(descriptor.digest));
  return {
    target: bareDescriptor(target),
    manifests: chosen.flatMap(graphManifest),
    parents: [
      ...chosen.flatMap(({ descriptor, manifest }) =>
        manifest === undefined ? [] : [{ descriptor, document: manifest }],
      ),
      ...indexes,
    ],
    blobs: [...blobs.values()],
    unread: [...unread.values()],
  };
}

function twoSizes({ digest, size }: Descriptor, other: Descriptor): ImgctlError {
  return new ImgctlError('document_invalid', `${digest} is said to have ${size} bytes, and ${other.size}`, {
    hint: 'The archive was made by a broken tool: build or save the image again.',
    context: { digest },
  });
}

function graphManifest({ descriptor, manifest, config, platform, attachment }: Candidate): GraphManifest[] {
  if (manifest === undefined) return [];
  const unpackable =
    config !== undefined && !attachment && manifest.layers.every(({ mediaType }) => isLayerType(mediaType));
  if (!unpackable) return [{ descriptor, manifest, platform: attachment ? undefined : platform, layers: [] }];
  if (config.diffIds.length !== manifest.layers.length) {
    throw new ImgctlError(
      'document_invalid',
      `the manifest ${descriptor.digest} has ${manifest.layers.length} layers, its config names ${config.diffIds.length}`,
      {
        hint: 'The archive was made by a broken tool: build or save the image again.',
        context: { digest: descriptor.digest },
      },
    );
  }
  const chain = chainIds(config.diffIds);
  const layers = manifest.layers.map((layer, i) => ({
    descriptor: bareDescriptor(layer),
    diffId: config.diffIds[i] as Digest,
    chainId: chain[i] as Digest,
  }));
  return [{ descriptor, manifest, platform, layers }];
}
