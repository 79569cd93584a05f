import { hasCode, ImgctlError, toImgctlError } from '../errors.ts';
import type { Descriptor } from '../image/descriptor.ts';
import { type Digest, shortDigest } from '../image/digest.ts';
import { isDocumentType, maxDocumentBytes, parseDocument } from '../image/documents.ts';
import { readDocument } from '../image/read-document.ts';
import type { ImageSource } from '../image/source.ts';
import type { ChosenImage } from './sync-choice.ts';

/** A node that blobs can be read from. */
export interface DocumentPeer {
  readonly name: string;
  readBlob(
    range: {
      readonly digest: Digest;
      readonly size: number;
      readonly offset: number;
      readonly length: number;
    },
    signal?: AbortSignal,
  ): AsyncIterable<Uint8Array>;
}

/**
 * Images that nodes have, as a source: their documents are here, read and verified; their layers are not, and come from
 * the nodes alone.
 */
export interface PeerSource extends ImageSource {
  /** The layers of the manifests that some node has. */
  readonly layers: readonly Descriptor[];
  /** To be told once, when it is known which layers nodes hold. */
  offer(held: Iterable<Digest>): void;
  /** The layers that an image's manifests name. */
  layersOf(target: Digest): ReadonlySet<Digest>;
  /** The same without these images. */
  without(targets: ReadonlySet<Digest>): PeerSource;
}

/** An image whose documents cannot be read from any of its holders is left out, and `lost` says why. */
export async function readPeerSource(
  images: readonly ChosenImage[],
  peers: readonly DocumentPeer[],
  signal: AbortSignal,
): Promise<{ readonly source: PeerSource; readonly lost: readonly ImgctlError[] }> {
  const documents = new Map<Digest, Uint8Array>();
  const layers = new Map<Digest, Map<Digest, Descriptor>>();
  const read = async (descriptor: Descriptor, holders: readonly string[]) => {
    const known = documents.get(descriptor.digest);
    if (known !== undefined) return known;
    const bytes = await readFromAny(
      descriptor,
      peers.filter(({ name }) => holders.includes(name)),
      signal,
    );
    if (bytes !== undefined) documents.set(descriptor.digest, bytes);
    return bytes;
  };
  const readImage = async ({ name, digest, mediaType, size, holders }: ChosenImage) => {
    const own = new Map<Digest, Descriptor>();
    const visit = async (descriptor: Descriptor, depth: number): Promise<void> => {
      if (!isDocumentType(descriptor.mediaType) || depth > 8) return;
      const bytes = await read(descriptor, holders);
      if (bytes === undefined) return;
      const document = parseDocument(descriptor, bytes);
      if (document.kind === 'index') for (const child of document.manifests) await visit(child, depth + 1);
      if (document.kind !== 'manifest') return;
      await visit(document.config, depth + 1);
      for (const layer of document.layers) own.set(layer.digest, layer);
    };
    await visit({ digest, mediaType, size }, 0);
    if (!documents.has(digest)) throw lostDocument(name, digest, holders);
    return own;
  };
  const whole: ChosenImage[] = [];
  const lost: ImgctlError[] = [];
  for (const image of images) {
    try {
      layers.set(image.digest, await readImage(image));
      whole.push(image);
    } catch (thrown) {
      signal.throwIfAborted();
      lost.push(unreadable(image, toImgctlError(thrown)));
    }
  }
  return { source: sourceOf(whole, documents, layers, new Set()), lost };
}

function sourceOf(
  images: readonly ChosenImage[],
  documents: ReadonlyMap<Digest, Uint8Array>,
  layers: ReadonlyMap<Digest, ReadonlyMap<Digest, Descriptor>>,
  held: Set<Digest>,
): PeerSource {
  return {
    images: images.map(({ name, digest, mediaType, size }) => ({
      name,
      target: { digest, mediaType, size },
    })),
    layers: [...new Map([...layers.values()].flatMap((of) => [...of])).values()],
    layersOf: (target) => new Set(layers.get(target)?.keys()),
    offer: (digests) => {
      for (const digest of digests) held.add(digest);
    },
    without: (targets) =>
      sourceOf(
        images.filter(({ digest }) => !targets.has(digest)),
        documents,
        layers,
        held,
      ),
    keptIn: 'nodes',
    sizeOf: (digest) => documents.get(digest)?.byteLength,
    heldByNodes: (digest) => held.has(digest),
    async *read(digest, offset) {
      const bytes = documents.get(digest);
      if (bytes === undefined) throw new ImgctlError('blob_unknown', `${digest} comes from nodes alone`);
      yield bytes.slice(offset);
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

/** Undefined where none of them has it: a platform that was not brought there. */
async function readFromAny(
  descriptor: Descriptor,
  peers: readonly DocumentPeer[],
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const { digest, size } = descriptor;
  let failure: unknown;
  for (const peer of size > maxDocumentBytes ? peers.slice(0, 1) : peers) {
    const source = {
      sizeOf: () => size,
      read: () => peer.readBlob({ digest, size, offset: 0, length: size }, signal),
    };
    try {
      return await readDocument(source, descriptor, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!hasCode(error, 'blob_unknown')) failure = error;
    }
  }
  if (failure !== undefined) throw failure;
  return undefined;
}

function lostDocument(image: string, digest: Digest, nodes: readonly string[]): ImgctlError {
  return new ImgctlError(
    'blob_unknown',
    `${shortDigest(digest)}, which ${image} names, is on no node any more`,
    {
      hint: 'Import the image from an archive.',
      context: { image, digest, nodes },
    },
  );
}

function unreadable({ name, holders }: ChosenImage, error: ImgctlError): ImgctlError {
  if (error.code === 'blob_unknown') return error;
  const { code, message, context } = error;
  return new ImgctlError(code, `${name} cannot be read on ${holders.join(', ')}: ${message}`, {
    hint: 'Import the image there again, from an archive.',
    context: { ...context, image: name, nodes: holders },
    cause: error,
  });
}
