import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { chainIds } from '../../src/image/chain-id.ts';
import type { Descriptor } from '../../src/image/descriptor.ts';
import { type Digest, digestOf } from '../../src/image/digest.ts';
import { mediaTypes } from '../../src/image/media-types.ts';
import type { Platform } from '../../src/image/platform.ts';
import { ustarOf } from './ustar.ts';

/** Blobs and images in memory for tests, with true digests and sizes. */

export interface TestBlob {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

export interface TestLayer extends TestBlob {
  readonly diffId: Digest;
  readonly chainId: Digest;
  readonly parent: Digest | undefined;
}

export interface TestImage {
  /** The manifest's descriptor. */
  readonly target: Descriptor;
  readonly manifest: TestBlob;
  readonly config: TestBlob;
  /** Bottom layer first. */
  readonly layers: readonly TestLayer[];
  /** All of them, children before parents. */
  readonly blobs: readonly TestBlob[];
}

export interface TestIndex {
  /** The index's descriptor. */
  readonly target: Descriptor;
  readonly index: TestBlob;
  readonly images: readonly TestImage[];
  /** All of them, children before parents. */
  readonly blobs: readonly TestBlob[];
}

export function blobOf(bytes: Uint8Array, mediaType: string = mediaTypes.ociLayerGzip): TestBlob {
  return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.byteLength }, bytes };
}

export function jsonBlob(value: unknown, mediaType: string): TestBlob {
  return blobOf(Buffer.from(JSON.stringify(value)), mediaType);
}

/** A blob that no other test has. */
export function randomBlob(size: number): TestBlob {
  return blobOf(randomBytes(size));
}

/** `size` bytes that look random and are the same for the same seed, in any process. */
export function seededBytes(seed: string, size: number): Buffer {
  const key = createHash('sha256').update(seed).digest();
  return createCipheriv('aes-128-ctr', key.subarray(0, 16), key.subarray(16)).update(Buffer.alloc(size));
}

/** An image of uncompressed layers, each with one file of these contents. */
export function imageOf(
  contents: readonly (string | Uint8Array)[],
  platform: Platform = { os: 'linux', architecture: 'amd64' },
): TestImage {
  const tars = contents.map((content, i) =>
    blobOf(ustarOf([[`file-${i}`, Buffer.from(content)]]), mediaTypes.ociLayer),
  );
  const diffIds = tars.map(({ descriptor }) => descriptor.digest);
  const chain = chainIds(diffIds);
  const layers = tars.map((blob, i) => ({
    ...blob,
    diffId: diffIds[i] as Digest,
    chainId: chain[i] as Digest,
    parent: chain[i - 1],
  }));
  const config = jsonBlob(
    { ...platform, config: {}, rootfs: { type: 'layers', diff_ids: diffIds } },
    mediaTypes.ociConfig,
  );
  const manifest = jsonBlob(
    {
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: config.descriptor,
      layers: tars.map(({ descriptor }) => descriptor),
    },
    mediaTypes.ociManifest,
  );
  return { target: manifest.descriptor, manifest, config, layers, blobs: [...tars, config, manifest] };
}

/** An index of images; `absent` are listed in it, and belong to no blob here. */
export function indexOf(
  images: readonly { readonly image: TestImage; readonly platform?: Platform | undefined }[],
  absent: readonly Descriptor[] = [],
): TestIndex {
  const manifests = images.map(({ image, platform }) =>
    platform === undefined ? image.target : { ...image.target, platform },
  );
  const index = jsonBlob(
    { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [...manifests, ...absent] },
    mediaTypes.ociIndex,
  );
  return {
    target: index.descriptor,
    index,
    images: images.map(({ image }) => image),
    blobs: [...images.flatMap(({ image }) => image.blobs), index],
  };
}

/** `bytes` in chunks of these sizes in bytes, again and again. Each chunk is a copy: it belongs to who receives it. */
export async function* chunksOf(bytes: Uint8Array, ...sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, turn = 0; at < bytes.byteLength; turn++) {
    const end = Math.min(bytes.byteLength, at + (sizes[turn % sizes.length] ?? 64 * 1024));
    yield Uint8Array.from(bytes.subarray(at, end));
    at = end;
  }
}

export async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(chunks));
}
