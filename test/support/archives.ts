import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { type Header, pack } from 'tar-stream';
import type { Descriptor } from '../../src/image/descriptor.ts';
import { type Digest, digestHex, digestOf } from '../../src/image/digest.ts';
import { mediaTypes } from '../../src/image/media-types.ts';

/**
 * Archives of small images, made in memory and in sight: the same arguments give the same bytes on any day.
 * Builders return the members of a tar, for a test to spoil as it likes; `tarOf` packs them.
 */

export interface TarMember {
  readonly name: string;
  readonly body?: Uint8Array | string;
  readonly type?: 'file' | 'directory' | 'symlink' | 'link';
  readonly linkname?: string;
  readonly pax?: Record<string, string>;
}

export async function tarOf(members: Iterable<TarMember>): Promise<Buffer> {
  const tar = pack();
  const chunks = Array.fromAsync(tar as AsyncIterable<Buffer>);
  for (const { name, body = '', type = 'file', linkname, pax } of members) {
    const header: Partial<Header> & { name: string } = { name, type, mode: 0o644, mtime: new Date(0) };
    if (linkname !== undefined) header.linkname = linkname;
    if (pax !== undefined) header.pax = pax;
    if (type === 'file') tar.entry(header, Buffer.from(body as string));
    else tar.entry(header);
  }
  tar.finalize();
  return Buffer.concat(await chunks);
}

/** Bytes that do not compress. */
export function randomBytes(length: number, seed: string | number): Buffer {
  const blocks = Array.from({ length: Math.ceil(length / 64) }, (_, i) =>
    createHash('sha512').update(`${seed} ${i}`).digest(),
  );
  return Buffer.concat(blocks).subarray(0, length);
}

export interface TestBlob {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

export function blobOf(mediaType: string, content: Uint8Array | object): TestBlob {
  const bytes = content instanceof Uint8Array ? Buffer.from(content) : Buffer.from(JSON.stringify(content));
  return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.byteLength }, bytes };
}

/** An image or index, and all that is below it. */
export interface TestImage {
  readonly target: Descriptor;
  readonly blobs: readonly TestBlob[];
  readonly platform?: { readonly os: string; readonly architecture: string; readonly variant?: string };
}

export interface SingleImage extends TestImage {
  readonly config: TestBlob;
  readonly manifest: TestBlob;
  /** As the manifest lists them: gzipped, where that was asked for. */
  readonly layers: readonly TestBlob[];
  /** Their tars, never compressed. */
  readonly layerTars: readonly Buffer[];
}

export interface RandomImageOptions {
  readonly layers?: number;
  /** Bytes of the one file in each layer. */
  readonly layerSize?: number;
  readonly seed?: string | number;
  /** `os/architecture[/variant]` */
  readonly platform?: string;
  readonly gzip?: boolean;
}

export async function randomImage({
  layers: count = 2,
  layerSize = 1500,
  seed = 1,
  platform = 'linux/amd64',
  gzip = false,
}: RandomImageOptions = {}): Promise<SingleImage> {
  const [os = '', architecture = '', variant] = platform.split('/');
  const where = { os, architecture, ...(variant === undefined ? {} : { variant }) };
  const numbers = Array.from({ length: count }, (_, i) => i);
  const layerTars = await Promise.all(
    numbers.map((i) =>
      tarOf([{ name: `file-${seed}-${i}`, body: randomBytes(layerSize, `${seed} ${platform} ${i}`) }]),
    ),
  );
  const layers = layerTars.map((tar) =>
    gzip ? blobOf(mediaTypes.ociLayerGzip, gzipSync(tar)) : blobOf(mediaTypes.ociLayer, tar),
  );
  const config = blobOf(mediaTypes.ociConfig, {
    ...where,
    config: {},
    rootfs: { type: 'layers', diff_ids: layerTars.map((tar) => digestOf(tar)) },
  });
  const manifest = blobOf(mediaTypes.ociManifest, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: config.descriptor,
    layers: layers.map(({ descriptor }) => descriptor),
  });
  const blobs = [manifest, config, ...layers];
  return { target: manifest.descriptor, blobs, platform: where, config, manifest, layers, layerTars };
}

/** An index of images, each with its platform, or of other indexes. */
export function indexOf(
  children: readonly TestImage[],
  annotations: readonly (Record<string, string> | undefined)[] = [],
): TestImage {
  const index = blobOf(mediaTypes.ociIndex, {
    schemaVersion: 2,
    mediaType: mediaTypes.ociIndex,
    manifests: children.map(({ target, platform }, i) => ({
      ...target,
      ...(platform === undefined ? {} : { platform }),
      ...(annotations[i] === undefined ? {} : { annotations: annotations[i] }),
    })),
  });
  return { target: index.descriptor, blobs: [index, ...children.flatMap(({ blobs }) => blobs)] };
}

export interface NamedImage {
  readonly image: TestImage;
  /** Written as `io.containerd.image.name`. */
  readonly name?: string;
  readonly annotations?: Record<string, string>;
}

/** Members of an OCI image layout. `without`: blobs to leave out. */
export function ociLayout(
  images: readonly NamedImage[],
  { without = [] }: { without?: readonly Digest[] } = {},
): TarMember[] {
  const manifests = images.map(({ image, name, annotations = {} }) => ({
    ...image.target,
    annotations: { ...(name === undefined ? {} : { 'io.containerd.image.name': name }), ...annotations },
  }));
  return [
    { name: 'oci-layout', body: '{"imageLayoutVersion":"1.0.0"}' },
    { name: 'index.json', body: JSON.stringify({ schemaVersion: 2, manifests }) },
    ...blobMembers(images.flatMap(({ image }) => image.blobs)).filter(
      ({ name }) => !without.some((digest) => name.endsWith(digestHex(digest))),
    ),
  ];
}

export function blobMembers(blobs: readonly TestBlob[]): TarMember[] {
  const members = blobs.map(({ descriptor: { digest }, bytes }) => ({ name: blobPath(digest), body: bytes }));
  return [...new Map(members.map((member) => [member.name, member])).values()];
}

export function blobPath(digest: Digest): string {
  return `blobs/${digest.replace(':', '/')}`;
}

export interface SavedTestImage {
  readonly image: SingleImage;
  readonly tags: readonly string[] | null;
}

/**
 * Members as `docker save` before version 25 wrote them: a folder per layer, a config per image, manifest.json last.
 * `gzip` compresses the layers, as some tools do.
 */
export function dockerSave(
  images: readonly SavedTestImage[],
  { gzip = false }: { gzip?: boolean } = {},
): TarMember[] {
  const members = new Map<string, TarMember>();
  const manifest = images.map(({ image, tags }) => {
    const config = `${digestHex(image.config.descriptor.digest)}.json`;
    const layers = image.layerTars.map((tar) => {
      const folder = digestHex(digestOf(Buffer.concat([Buffer.from('layer id of '), tar])));
      members.set(`${folder}/`, { name: `${folder}/`, type: 'directory' });
      members.set(`${folder}/VERSION`, { name: `${folder}/VERSION`, body: '1.0' });
      members.set(`${folder}/json`, { name: `${folder}/json`, body: JSON.stringify({ id: folder }) });
      members.set(`${folder}/layer.tar`, { name: `${folder}/layer.tar`, body: gzip ? gzipSync(tar) : tar });
      return `${folder}/layer.tar`;
    });
    members.set(config, { name: config, body: image.config.bytes });
    return { Config: config, RepoTags: tags, Layers: layers };
  });
  return [...members.values(), { name: 'manifest.json', body: JSON.stringify(manifest) }];
}

/** A stream that hands out `bytes` in chunks of `size`. */
export async function* inChunks(bytes: Uint8Array, size = 65536): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size);
}
