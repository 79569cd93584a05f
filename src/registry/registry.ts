/**
 * The folder `registry`: registries that speak the OCI distribution specification (and Docker's, which it came from) as
 * a source of images.
 *
 * `openRegistryImages` says what references mean, and reads the small documents of the platforms that are wanted; their
 * layers are read when they are asked for, each as a stream, from wherever the configuration says that it may be.
 * It promises that no blob is ever held, that what is read from its start is verified, that no secret goes to another
 * server than the one it is for, or into a message, and that everything that a server can send is bounded.
 *
 * It may import tiers 0 and 1 (errors, streams, image), `node:`, undici and zod; no other folder.
 */

import { ImgctlError, toImgctlError } from '../errors.ts';
import type { Descriptor } from '../image/descriptor.ts';
import type { Digest } from '../image/digest.ts';
import { isImageConfigType, isIndexType, isManifestType } from '../image/media-types.ts';
import type { PlatformChoice } from '../image/platform-choice.ts';
import { readDocument } from '../image/read-document.ts';
import { digestReference, formatReference, type Reference } from '../image/reference.ts';
import type { BlobSource, ImageSource, SourceBlob, SourceImage } from '../image/source.ts';
import { Limiter } from '../streams/limiter.ts';
import { readAhead } from '../streams/read-ahead.ts';
import { fetchManifest } from './fetch-manifest.ts';
import { type AttachedManifest, findAttached } from './find-attached.ts';
import { ImageDocuments } from './image-documents.ts';
import type { RegistryBlob } from './open-blob.ts';
import { type BlobReads, readBlob } from './read-blob.ts';
import { RegistryClients } from './registry-clients.ts';
import type { RegistrySettings, Repository } from './repository.ts';

export type { RegistrySettings } from './repository.ts';

export interface RegistryImagesOptions {
  /** Platforms that are wanted, each of any kind: what suits at least one is read. None: all that there are. */
  readonly platforms: readonly PlatformChoice[];
  /** References that are looked up at once; 1 unless given. */
  readonly maxParallel?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told what a reference turned out to mean. */
  readonly onResolved?: ((reference: Reference, digest: Digest) => void) | undefined;
}

export interface RegistryImages extends ImageSource {
  /** References that could not be had, an error each. */
  readonly failed: readonly ImgctlError[];
  /** The indexes, manifests and configs of the images. */
  readonly documents: readonly { readonly descriptor: Descriptor; readonly bytes: Uint8Array }[];
  /** What else they are made of. */
  readonly blobs: readonly SourceBlob[];
  /** When a registry was last waited for, by `performance.now()`; -Infinity: never. */
  waitedAt(): number;
}

/** An image of a registry. */
export interface RegistryImage extends SourceImage {
  /**
   * Looks for what the registry holds beside it: signatures, attestations. The source has their blobs from then on.
   * @throws ImgctlError those of the registry
   */
  attached(signal?: AbortSignal): Promise<readonly Descriptor[]>;
}

/** Registries as one source of blobs: those of all images that were looked up. */
export interface Registries extends BlobSource, AsyncDisposable {
  /** @throws ImgctlError those of the registry, of the image that is meant; what the settings do */
  find(reference: Reference, signal?: AbortSignal): Promise<RegistryImage>;
  readonly documents: RegistryImages['documents'];
  readonly blobs: RegistryImages['blobs'];
  /** When a registry was last waited for, by `performance.now()`; -Infinity: never. */
  waitedAt(): number;
}

/** `registries`: how they are spoken to, or clients that others use too, and whoever made them closes. */
export function openRegistries(
  registries: RegistrySettings | RegistryClients,
  options: Pick<RegistryImagesOptions, 'platforms' | 'onResolved'>,
): Registries {
  const isShared = registries instanceof RegistryClients;
  const clients = isShared ? registries : new RegistryClients(registries);
  const pulled = new Pulled(clients.reads);
  return {
    async find(reference, signal) {
      const within = (thrown: unknown) => {
        signal?.throwIfAborted();
        return toImgctlError(thrown).within({ image: formatReference(reference) });
      };
      try {
        const repository = await clients.repository(reference);
        const image = await pulled.add(reference, repository, { ...options, signal });
        const attached = async (asking?: AbortSignal) =>
          pulled.attachedTo(image.target, repository, asking).catch((thrown) => {
            throw within(thrown);
          });
        return { ...image, attached };
      } catch (thrown) {
        throw within(thrown);
      }
    },
    get documents() {
      return pulled.documents;
    },
    get blobs() {
      return pulled.blobs;
    },
    waitedAt: () => pulled.waitedAt,
    sizeOf: (digest) => pulled.sizeOf(digest),
    read: (digest, offset, reading) => pulled.read(digest, offset, reading),
    [Symbol.asyncDispose]: async () => {
      if (!isShared) await clients[Symbol.asyncDispose]();
    },
  };
}

/**
 * Images of registries, in the order of their references. `registries` as for `openRegistries`. Throws only what the
 * settings do, and the signal's reason.
 */
export async function openRegistryImages(
  references: readonly Reference[],
  registries: RegistrySettings | RegistryClients,
  options: RegistryImagesOptions,
): Promise<RegistryImages> {
  await using resources = new AsyncDisposableStack();
  const { maxParallel = 1, signal } = options;
  const opened = resources.use(openRegistries(registries, options));
  const limiter = new Limiter(maxParallel);
  const found = await Promise.all(
    references.map((reference) =>
      limiter.run(async (): Promise<SourceImage | ImgctlError> => {
        try {
          const { name, target } = await opened.find(reference, signal);
          return { name, target };
        } catch (thrown) {
          signal?.throwIfAborted();
          return toImgctlError(thrown);
        }
      }, signal),
    ),
  );
  const open = resources.move();
  const { documents, blobs, waitedAt, sizeOf, read } = opened;
  return {
    images: found.flatMap((image) => (image instanceof ImgctlError ? [] : [image])),
    failed: found.flatMap((image) => (image instanceof ImgctlError ? [image] : [])),
    keptIn: 'registry',
    ...{ documents, blobs, waitedAt, sizeOf, read },
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

/** What is known of the blobs of all references. */
class Pulled {
  readonly #documents = new ImageDocuments();
  readonly #reads: BlobReads;
  readonly #withoutReferrers = new Set<string>();
  readonly #blobs = new Map<Digest, { readonly size: number; readonly in: Repository[] }>();

  constructor(reads: BlobReads) {
    this.#reads = reads;
  }

  get documents() {
    return this.#documents.all;
  }

  get blobs(): SourceBlob[] {
    return [...this.#blobs].map(([digest, { size }]) => ({ digest, size }));
  }

  get waitedAt(): number {
    return this.#reads.waiting.at;
  }

  sizeOf(digest: Digest): number | undefined {
    return this.#documents.get(digest)?.byteLength ?? this.#blobs.get(digest)?.size;
  }

  async *read(digest: Digest, offset: number, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
    const document = this.#documents.get(digest);
    const blob = this.#blobs.get(digest);
    if (document !== undefined) yield document.slice(offset);
    else if (blob !== undefined)
      yield* readAhead(readBlob({ digest, ...blob }, offset, this.#reads, signal), blob.size - offset);
    else throw new ImgctlError('blob_unknown', `${digest} is of no image that is pulled`);
  }

  async add(
    reference: Reference,
    repository: Repository,
    { platforms, signal, onResolved }: RegistryImagesOptions,
  ): Promise<SourceImage> {
    const { tag = 'latest', digest } = reference;
    const { descriptor: target, bytes } = await fetchManifest(
      repository,
      digest === undefined ? { tag } : { digest },
      signal,
    );
    this.#documents.put(target, bytes);
    onResolved?.(reference, target.digest);
    await this.#collect(target, platforms, repository, signal);
    // Pods find an image that they name by digest by that alone
    return {
      name: digest === undefined ? formatReference(reference) : digestReference(reference, digest),
      target,
    };
  }

  async attachedTo(
    { digest }: Descriptor,
    repository: Repository,
    signal: AbortSignal | undefined,
  ): Promise<Descriptor[]> {
    const withoutReferrers = this.#withoutReferrers;
    const found = await findAttached(repository, { subject: digest, withoutReferrers }, signal);
    for (const { descriptor, bytes } of found) {
      this.#documents.put(descriptor, bytes);
      await this.#collect(descriptor, [], repository, signal);
    }
    return found.map((manifest) => entryOf(manifest, repository));
  }

  async #collect(
    target: Descriptor,
    platforms: readonly PlatformChoice[],
    repository: Repository,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const choices = platforms.length === 0 ? [{ kind: 'all' } as const] : platforms;
    const fetch = (descriptor: Descriptor) => this.#fetch(descriptor, repository, signal);
    for (const { digest, size } of await this.#documents.collect(target, choices, fetch)) {
      const known = this.#blobs.get(digest);
      if (known === undefined) this.#blobs.set(digest, { size, in: [repository] });
      else if (known.size === size && !known.in.some(({ name }) => name === repository.name))
        known.in.push(repository);
    }
  }

  async #fetch(
    descriptor: Descriptor,
    repository: Repository,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    const { digest, size, mediaType } = descriptor;
    if (isIndexType(mediaType) || isManifestType(mediaType))
      return (await fetchManifest(repository, { digest }, signal)).bytes;
    const blob: RegistryBlob = { digest, size, in: [repository] };
    const source = { sizeOf: () => size, read: () => readBlob(blob, 0, this.#reads, signal) };
    if (!isImageConfigType(mediaType)) throw new ImgctlError('internal', `${mediaType} is no document`);
    return readDocument(source, descriptor, signal);
  }
}

/** As an index has it. Nothing that a registry says beside it: it could give it the name of an image. */
function entryOf({ descriptor, tag, artifactType }: AttachedManifest, { reference }: Repository): Descriptor {
  const { registry, repository } = reference;
  const name = tag === undefined ? undefined : formatReference({ registry, repository, tag });
  return {
    ...descriptor,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(name === undefined ? {} : { annotations: { 'org.opencontainers.image.ref.name': name } }),
  };
}
