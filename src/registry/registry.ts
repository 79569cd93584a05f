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
import type { ImageSource, SourceBlob, SourceImage } from '../image/source.ts';
import { Limiter } from '../streams/limiter.ts';
import { readAhead } from '../streams/read-ahead.ts';
import { fetchManifest } from './fetch-manifest.ts';
import { ImageDocuments } from './image-documents.ts';
import { type BlobReads, type RegistryBlob, readBlob } from './read-blob.ts';
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

/**
 * Images of registries, in the order of their references. `registries`: how they are spoken to, or clients that others
 * use too, and whoever made them closes. Throws only what the settings do, and the signal's reason.
 */
export async function openRegistryImages(
  references: readonly Reference[],
  registries: RegistrySettings | RegistryClients,
  options: RegistryImagesOptions,
): Promise<RegistryImages> {
  await using resources = new AsyncDisposableStack();
  const { maxParallel = 1, signal } = options;
  const clients =
    registries instanceof RegistryClients ? registries : resources.use(new RegistryClients(registries));
  const pulled = new Pulled(clients.reads);
  const limiter = new Limiter(maxParallel);
  const found = await Promise.all(
    references.map((reference) =>
      limiter.run(async () => {
        try {
          const repository = await clients.repository(reference);
          return await pulled.add(reference, repository, options);
        } catch (thrown) {
          signal?.throwIfAborted();
          return toImgctlError(thrown).within({ image: formatReference(reference) });
        }
      }, signal),
    ),
  );
  const open = resources.move();
  return {
    images: found.flatMap((image) => (image instanceof ImgctlError ? [] : [image])),
    failed: found.flatMap((image) => (image instanceof ImgctlError ? [image] : [])),
    documents: pulled.documents,
    blobs: pulled.blobs,
    waitedAt: () => pulled.waitedAt,
    sizeOf: (digest) => pulled.sizeOf(digest),
    read: (digest, offset, reading) => pulled.read(digest, offset, reading),
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

/** What is known of the blobs of all references. */
class Pulled {
  readonly #documents = new ImageDocuments();
  readonly #reads: BlobReads;
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
    const choices = platforms.length === 0 ? [{ kind: 'all' } as const] : platforms;
    const fetch = (descriptor: Descriptor) => this.#fetch(descriptor, repository, signal);
    for (const { digest, size } of await this.#documents.collect(target, choices, fetch)) {
      const known = this.#blobs.get(digest);
      if (known === undefined) this.#blobs.set(digest, { size, in: [repository] });
      else if (known.size === size && !known.in.some(({ name }) => name === repository.name))
        known.in.push(repository);
    }
    // Pods find an image that they name by digest by that alone
    return {
      name: digest === undefined ? formatReference(reference) : digestReference(reference, digest),
      target,
    };
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
