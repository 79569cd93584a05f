import { createHash } from 'node:crypto';
import type { ArchivedImage, AttachedImage } from '../archive/archive-documents.ts';
import { attachedEntry, attachedTag } from '../archive/attached-entry.ts';
import { documentsOf } from '../archive/describe-images.ts';
import { ImgctlError, toImgctlError } from '../errors.ts';
import { type Digest, digestAlgorithm, digestHex } from '../image/digest.ts';
import { type GraphManifest, type ImageGraph, resolveGraph } from '../image/graph.ts';
import { formatPlatform } from '../image/platform.ts';
import type { PlatformChoice } from '../image/platform-choice.ts';
import { formatReference, type Reference } from '../image/reference.ts';
import type { BlobSource } from '../image/source.ts';
import { Limiter } from '../streams/limiter.ts';
import type { FoundImage, ImageFinder } from './image-finder.ts';
import type { NamedImage } from './named-images.ts';

/**
 * All that goes into a bundle, in the order in which it does: that of the names. Blobs are verified as they are read: no
 * bundle is made of what is damaged.
 */
export interface GatheredImages extends Pick<BlobSource, 'read'> {
  readonly images: readonly ArchivedImage[];
  readonly attached: readonly AttachedImage[];
  /** Whether a blob comes over a network. */
  isRemote(digest: Digest): boolean;
}

export interface GatherOptions {
  /** The first that has an image gives it. */
  readonly finders: readonly ImageFinder[];
  readonly choice: PlatformChoice;
  /** Names that are looked up at once. */
  readonly maxParallel: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Looks up images by name, and what each is made of, before anything is written. The order of the names makes no
 * difference.
 * @throws ImgctlError `image_unknown`, `platform_missing`, `archive_incomplete`, `archive_conflict` where a name is asked
 * for with two digests, and those of reading documents
 */
export async function gatherImages(
  named: readonly NamedImage[],
  { finders, choice, maxParallel, signal }: GatherOptions,
): Promise<GatheredImages> {
  const gathering = new Gathering(choice, signal);
  // Sidecars are named by every manifest
  const different = new Map(named.toReversed().map((image) => [formatReference(image.reference), image]));
  const sorted = [...different.values()]
    .map((image) => ({ ...image, name: nameIn(image.reference) }))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const look = async ({ reference, where }: NamedImage, stop: AbortSignal) => {
    const found = await firstFound(reference, finders, stop).catch((thrown: unknown) => {
      stop.throwIfAborted();
      throw toImgctlError(thrown).within({ path: where });
    });
    if (found === undefined) throw unknown(reference, where);
    return found;
  };
  const all = await allAtOnce(sorted, look, { limit: maxParallel, signal });
  for (const [i, { name }] of sorted.entries()) {
    const found = all[i] as FoundImage;
    try {
      await gathering.add(name, found);
    } catch (thrown) {
      signal?.throwIfAborted();
      throw toImgctlError(thrown).within({ image: name });
    }
  }
  return gathering;
}

/** Its name on a node. With a tag and a digest the tag is left: nodes put the name by digest beside it. */
function nameIn({ digest, ...rest }: Reference): string {
  return formatReference(rest.tag === undefined ? { ...rest, digest } : rest);
}

/** One that fails stops the others. */
async function allAtOnce<T, R>(
  items: readonly T[],
  work: (item: T, stop: AbortSignal) => Promise<R>,
  { limit, signal }: { readonly limit: number; readonly signal: AbortSignal | undefined },
): Promise<R[]> {
  const failed = new AbortController();
  const stop = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
  const limiter = new Limiter(limit);
  const working = items.map((item) => limiter.run(() => work(item, stop), stop));
  try {
    return await Promise.all(working);
  } finally {
    failed.abort();
    await Promise.allSettled(working);
  }
}

async function firstFound(
  reference: Reference,
  finders: readonly ImageFinder[],
  signal?: AbortSignal,
): Promise<FoundImage | undefined> {
  for (const finder of finders) {
    const found = await finder.find(reference, signal);
    if (found !== undefined) return found;
  }
  return undefined;
}

class Gathering implements GatheredImages {
  readonly #choice: PlatformChoice;
  readonly #signal: AbortSignal | undefined;
  readonly #images = new Map<Digest, { readonly names: string[]; readonly graph: ImageGraph }>();
  readonly #attached = new Map<string, AttachedImage>();
  readonly #sources = new Map<Digest, Pick<FoundImage, 'source' | 'isRemote'>>();
  readonly #named = new Map<string, Digest>();

  constructor(choice: PlatformChoice, signal: AbortSignal | undefined) {
    this.#choice = choice;
    this.#signal = signal;
  }

  get images(): readonly ArchivedImage[] {
    return [...this.#images.values()];
  }

  get attached(): readonly AttachedImage[] {
    return [...this.#attached].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, image]) => image);
  }

  async add(name: string, found: FoundImage): Promise<void> {
    const { target, source } = found;
    const before = this.#named.get(name);
    if (before === target.digest) return;
    if (before !== undefined) throw twice(name, before, target.digest);
    this.#named.set(name, target.digest);
    const known = this.#images.get(target.digest);
    const graph = known?.graph ?? (await this.#wholeGraph(target, source));
    if (known !== undefined) known.names.push(name);
    else {
      this.#images.set(target.digest, { names: [name], graph });
      this.#remember(graph, found);
    }
    await this.#attach(graph, found);
  }

  async #attach(graph: ImageGraph, found: FoundImage): Promise<void> {
    const { attached, source } = found;
    const isAbout = ({ subject }: { subject: Digest | undefined }) =>
      subject === undefined || graph.blobs.some(({ digest }) => digest === subject);
    for (const { entry } of attached.filter(isAbout)) {
      if (source.sizeOf(entry.digest) === undefined) continue;
      const read = documentsOf(source, this.#signal);
      const beside = await resolveGraph(entry, { kind: 'all' }, read);
      // One may stand in several repositories
      const place = `${entry.digest} ${attachedTag(entry) ?? ''}`;
      this.#attached.set(place, { entry: attachedEntry(entry), graph: beside });
      this.#remember(beside, found);
    }
  }

  isRemote(digest: Digest): boolean {
    return this.#sources.get(digest)?.isRemote === true;
  }

  read(digest: Digest, offset: number, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const known = this.#sources.get(digest);
    if (known === undefined) throw new ImgctlError('blob_unknown', `${digest} is of none of the images`);
    const chunks = known.source.read(digest, offset, signal);
    return offset === 0 && known.isRemote !== true ? verified(chunks, digest) : chunks;
  }

  /** With all platforms: those that are whole there, as archives may have others in part. */
  async #wholeGraph(target: FoundImage['target'], source: BlobSource): Promise<ImageGraph> {
    const read = documentsOf(source, this.#signal);
    const graph = await resolveGraph(target, this.#choice, read);
    const partial = graph.manifests.filter((manifest) => lacks(manifest, source) !== undefined);
    const [first] = partial;
    if (first === undefined) return graph;
    if (this.#choice.kind !== 'all' || partial.length === graph.manifests.length)
      throw incomplete(first, source);
    const hidden = new Set(partial.map(({ descriptor }) => descriptor.digest));
    return resolveGraph(target, this.#choice, async (descriptor) =>
      hidden.has(descriptor.digest) ? undefined : read(descriptor),
    );
  }

  #remember({ blobs }: ImageGraph, { source, isRemote }: FoundImage): void {
    for (const { digest } of blobs)
      if (!this.#sources.has(digest)) this.#sources.set(digest, { source, isRemote });
  }
}

/** @throws ImgctlError `digest_mismatch` at the end, where the bytes were others */
async function* verified(chunks: AsyncIterable<Uint8Array>, digest: Digest): AsyncGenerator<Uint8Array> {
  const hash = createHash(digestAlgorithm(digest));
  for await (const chunk of chunks) {
    hash.update(chunk);
    yield chunk;
  }
  if (hash.digest('hex') === digestHex(digest)) return;
  throw new ImgctlError(
    'digest_mismatch',
    `the bytes of ${digest} have another digest where they come from`,
    {
      hint: 'What it comes from was damaged: imgctl bundle verify ARCHIVE tells which. Copy or save it again.',
      context: { digest },
    },
  );
}

function lacks({ manifest }: GraphManifest, source: BlobSource): Digest | undefined {
  return [manifest.config, ...manifest.layers].find(({ digest }) => source.sizeOf(digest) === undefined)
    ?.digest;
}

function incomplete(manifest: GraphManifest, source: BlobSource): ImgctlError {
  const platform = manifest.platform === undefined ? 'it' : formatPlatform(manifest.platform);
  return new ImgctlError('archive_incomplete', `${platform} lacks ${lacks(manifest, source)}`, {
    hint: 'Save the image again with all of its layers, or choose another platform with --platform.',
  });
}

function twice(name: string, one: Digest, other: Digest): ImgctlError {
  return new ImgctlError('archive_conflict', `${name} is asked for as ${one} and as ${other}`, {
    hint: 'A name stands for one image in a bundle: leave one of the two out, or make two bundles.',
  });
}

function unknown(reference: Reference, where: string): ImgctlError {
  return new ImgctlError('image_unknown', `${where}: no archive has ${formatReference(reference)}`, {
    hint: 'Give archives that have it with --from-archive; see what is in one with imgctl bundle inspect.',
    context: { image: formatReference(reference) },
  });
}
