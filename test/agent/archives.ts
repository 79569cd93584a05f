import { zstdCompressSync } from 'node:zlib';
import { encodePartHead, partHeadBytes } from '../../src/archive/part-head.ts';
import { digestHex, digestOf } from '../../src/image/digest.ts';
import { imageOf, indexOf, type TestBlob, type TestImage } from '../support/blobs.ts';
import { ustarOf } from '../support/ustar.ts';

/** Archives in memory, as tools write them. */

/** An OCI image layout with one image of this name, as one tar. */
export function ociArchive(image: TestImage, name: string): Buffer {
  const target = { ...image.target, annotations: { 'io.containerd.image.name': name } };
  const index = indexOf([], [target]).index.bytes;
  return ustarOf([
    ['oci-layout', Buffer.from('{"imageLayoutVersion":"1.0.0"}')],
    ...image.blobs.map(
      ({ descriptor, bytes }) => [`blobs/sha256/${digestHex(descriptor.digest)}`, bytes] as const,
    ),
    ['index.json', index],
  ]);
}

/** The same as `imgctl bundle create` orders it: what is small and says what is in it comes first. */
export function bundleArchive(
  image: TestImage,
  name: string | undefined,
  annotations: Readonly<Record<string, string>> = {},
): Buffer {
  const target = name === undefined ? image.target : named(image, name);
  const index = { ...JSON.parse(Buffer.from(indexOf([], [target]).index.bytes).toString()), annotations };
  const pathOf = ({ descriptor }: TestBlob) => `blobs/sha256/${digestHex(descriptor.digest)}`;
  const saved = [
    {
      Config: pathOf(image.config),
      RepoTags: name === undefined ? null : [name],
      Layers: image.layers.map(pathOf),
    },
  ];
  const documents = [image.manifest, image.config];
  const others = image.blobs.filter((blob) => !documents.includes(blob));
  return ustarOf([
    ['oci-layout', Buffer.from('{"imageLayoutVersion":"1.0.0"}')],
    ['index.json', Buffer.from(JSON.stringify(index))],
    ['manifest.json', Buffer.from(JSON.stringify(saved))],
    ...[...documents, ...others].map((blob) => [pathOf(blob), blob.bytes] as const),
  ]);
}

function named(image: TestImage, name: string) {
  return { ...image.target, annotations: { 'io.containerd.image.name': name } };
}

/** An OCI image layout of these images; one whose name is undefined has none. */
export function layoutOf(images: readonly (readonly [name: string | undefined, image: TestImage])[]): Buffer {
  const targets = images.map(([name, image]) => (name === undefined ? image.target : named(image, name)));
  const blobs = new Map(
    images.flatMap(([, image]) => image.blobs).map((blob) => [blob.descriptor.digest, blob]),
  );
  return ustarOf([
    ['oci-layout', Buffer.from('{"imageLayoutVersion":"1.0.0"}')],
    ...[...blobs].map(([digest, { bytes }]) => [`blobs/sha256/${digestHex(digest)}`, bytes] as const),
    ['index.json', indexOf([], targets).index.bytes],
  ]);
}

export function smallArchive(name = 'docker.io/library/app:1'): Buffer {
  return ociArchive(imageOf(['bottom', 'top']), name);
}

/** As `bundle create --split` writes them: a head, and frames that stand by themselves. */
export function partsOf(archive: Buffer, of: number): Buffer[] {
  const each = Math.ceil(archive.byteLength / of);
  return Array.from({ length: of }, (_, i) => {
    const frame = zstdCompressSync(archive.subarray(i * each, (i + 1) * each));
    const bytes = partHeadBytes + frame.byteLength;
    return Buffer.concat([
      encodePartHead({ bundle: digestOf(archive), limit: 1000, part: i + 1, of, bytes }),
      frame,
    ]);
  });
}
