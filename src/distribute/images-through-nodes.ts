import { randomUUID } from 'node:crypto';
import type { RegistryImage, RegistryImageRequest } from '../agent-api/registry-image.ts';
import type { RegistryLogin, RegistrySource } from '../agent-api/registry-source.ts';
import { ImgctlError, toImgctlError } from '../errors.ts';
import { type Digest, digestAlgorithm, digestOf } from '../image/digest.ts';
import { formatPlatform } from '../image/platform.ts';
import type { PlatformChoice } from '../image/platform-choice.ts';
import { digestReference, formatReference, type Reference } from '../image/reference.ts';
import type { ImageSource, SourceImage } from '../image/source.ts';
import { Limiter } from '../streams/limiter.ts';
import { askInTurn } from './ask-in-turn.ts';
import { askedInVain, mayAskAnother } from './asked-in-vain.ts';

/** A node that reads registries. */
export interface RegistryNode {
  readonly name: string;
  registryImage(asked: RegistryImageRequest, signal?: AbortSignal): Promise<RegistryImage>;
}

export interface ThroughNodesOptions {
  /** Platforms that are wanted, as `openRegistryImages` has them. */
  readonly platforms: readonly PlatformChoice[];
  readonly logins: readonly RegistryLogin[];
  /** References that are looked up at once. */
  readonly maxParallel: number;
  readonly signal: AbortSignal;
  readonly onResolved?: ((reference: Reference, digest: Digest) => void) | undefined;
}

/** What nodes say of images; their layers are for the nodes to read. */
export interface ImagesThroughNodes extends ImageSource {
  /** References that could not be had, an error each. */
  readonly failed: readonly ImgctlError[];
  /** Where a node finds a blob. */
  registryOf(digest: Digest): RegistrySource;
}

/** A node that has not answered in this time may hang, or its registry is slow: another is asked as well. Milliseconds. */
const waitMs = 10_000;
/** Longer than a registry is given by any node. Milliseconds. */
const longestMs = 300_000;
/** Images that a blob is said to be of. */
const maxImages = 100;

/**
 * Images of registries, in the order of their references, as the nodes reach them: each is asked of one node, and of the
 * next where that one cannot answer, or its registries do not have it. Throws only the signal's reason.
 */
export async function openImagesThroughNodes(
  references: readonly Reference[],
  nodes: readonly RegistryNode[],
  options: ThroughNodesOptions,
): Promise<ImagesThroughNodes> {
  const { maxParallel, logins, signal, onResolved } = options;
  const asking = new Asking(nodes, options);
  const told = new Told(logins);
  const limiter = new Limiter(maxParallel);
  const found = await Promise.all(
    references.map((reference) =>
      limiter.run(async () => {
        try {
          const image = await asking.ask(reference);
          onResolved?.(reference, image.target.digest);
          return told.add(reference, image);
        } catch (thrown) {
          signal.throwIfAborted();
          return toImgctlError(thrown).within({ image: formatReference(reference) });
        }
      }, signal),
    ),
  );
  return {
    images: found.flatMap((image) => (image instanceof ImgctlError ? [] : [image])),
    failed: found.flatMap((image) => (image instanceof ImgctlError ? [image] : [])),
    keptIn: 'registry',
    sizeOf: (digest) => told.sizeOf(digest),
    read: (digest, offset) => told.read(digest, offset),
    registryOf: (digest) => told.registryOf(digest),
    [Symbol.asyncDispose]: async () => {},
  };
}

class Asking {
  readonly #options: ThroughNodesOptions;
  readonly #run = randomUUID();
  /** Those first that had what they were asked for, or were not asked. */
  #nodes: readonly RegistryNode[];

  constructor(nodes: readonly RegistryNode[], options: ThroughNodesOptions) {
    this.#nodes = nodes;
    this.#options = options;
  }

  async ask(reference: Reference): Promise<SoundImage> {
    const { platforms, logins, signal } = this.#options;
    const asked: RegistryImageRequest = {
      reference: formatReference(reference),
      platforms: platforms.map((choice) =>
        choice.kind === 'all' ? choice : { ...choice, platforms: choice.platforms.map(formatPlatform) },
      ),
      ...(logins.length === 0 ? {} : { logins: [...logins] }),
      run: this.#run,
    };
    return askInTurn(this.#nodes, {
      ask: async (node, stop) => {
        const limit = AbortSignal.any([stop, AbortSignal.timeout(longestMs)]);
        return soundImage(await node.registryImage(asked, limit), reference, node.name);
      },
      goesOn: (inVain) => {
        if (!mayAskAnother(inVain)) return false;
        const last = inVain.at(-1)?.node;
        this.#nodes = [...this.#nodes.filter((node) => node !== last), ...(last ? [last] : [])];
        return true;
      },
      failure: (inVain) => askedInVain(inVain, this.#nodes.length),
      waitMs,
      signal,
    });
  }
}

/** An image as a node told of it, its documents verified. */
interface SoundImage extends Pick<RegistryImage, 'target' | 'blobs'> {
  readonly documents: ReadonlyMap<Digest, Buffer>;
}

/** @throws ImgctlError `digest_mismatch`: a node that says what does not have its digest is not believed */
function soundImage(
  { target, blobs, documents }: RegistryImage,
  reference: Reference,
  node: string,
): SoundImage {
  const read = new Map<Digest, Buffer>();
  const isSound = documents.every(({ descriptor: { digest, size }, data }) => {
    const bytes = Buffer.from(data, 'base64');
    read.set(digest, bytes);
    return bytes.byteLength === size && digestOf(bytes, digestAlgorithm(digest)) === digest;
  });
  const isOther = reference.digest !== undefined && target.digest !== reference.digest;
  if (!isOther && isSound && read.has(target.digest)) return { target, blobs, documents: read };
  const image = formatReference(reference);
  throw new ImgctlError('digest_mismatch', `${node} gave another image for ${image}`, {
    hint: 'Look at the node: what runs there is no agent that can be trusted.',
    context: { image, node },
  });
}

/** What was said of all images. */
class Told {
  readonly #logins: readonly RegistryLogin[];
  readonly #documents = new Map<Digest, Buffer>();
  readonly #blobs = new Map<Digest, { readonly size: number; readonly images: Set<string> }>();

  constructor(logins: readonly RegistryLogin[]) {
    this.#logins = logins;
  }

  add(reference: Reference, { target, documents, blobs }: SoundImage): SourceImage {
    const { digest, registry, repository } = reference;
    for (const [digest, bytes] of documents) this.#documents.set(digest, bytes);
    for (const { digest, size } of blobs) {
      const known = this.#blobs.get(digest) ?? { size, images: new Set() };
      this.#blobs.set(digest, known);
      if (known.size === size && known.images.size < maxImages) known.images.add(`${registry}/${repository}`);
    }
    // Pods find an image that they name by digest by that alone
    const name = digest === undefined ? formatReference(reference) : digestReference(reference, digest);
    return { name, target };
  }

  sizeOf(digest: Digest): number | undefined {
    return this.#documents.get(digest)?.byteLength ?? this.#blobs.get(digest)?.size;
  }

  async *read(digest: Digest, offset: number): AsyncGenerator<Uint8Array> {
    const document = this.#documents.get(digest);
    if (document === undefined) throw new ImgctlError('blob_unknown', `${digest} is for the nodes to read`);
    yield new Uint8Array(document.subarray(offset));
  }

  registryOf(digest: Digest): RegistrySource {
    const { images } = this.#blobs.get(digest) ?? { images: [] };
    return { images: [...images], ...(this.#logins.length === 0 ? {} : { logins: [...this.#logins] }) };
  }
}
