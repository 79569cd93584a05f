import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rename } from 'node:fs/promises';
import { type Duplex, PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';
import { type Layer, layerTar, makeLayer } from './layers.ts';

const mebibyte = 1024 * 1024;

interface ArchiveImage {
  readonly name: string;
  readonly layers: readonly Layer[];
}

/** An OCI layout archive of one image with layers of incompressible data, `bytes` in all, written to `path`. */
export async function writeArchive(path: string, name: string, layers: number, bytes: number): Promise<void> {
  const each = Math.floor(bytes / layers / mebibyte) * mebibyte;
  await writeImages(path, [{ name, layers: Array.from({ length: layers }, () => makeLayer(each)) }]);
}

/** An OCI layout archive of these images; `through` may compress it. */
export async function writeImages(
  path: string,
  images: readonly ArchiveImage[],
  through: Duplex = new PassThrough(),
): Promise<void> {
  const tar = pack();
  const writing = written(tar, path, through);
  tar.entry({ name: 'oci-layout' }, '{"imageLayoutVersion":"1.0.0"}');
  const manifests: object[] = [];
  for (const { name, layers } of images) {
    for (const layer of layers) await addLayer(tar, `blobs/sha256/${layer.digest.slice(7)}`, layer);
    const config = configOf(layers);
    const manifest = manifestOf(config, layers);
    for (const document of [config, manifest])
      tar.entry({ name: `blobs/sha256/${sha256(document)}` }, document);
    manifests.push({
      ...descriptor('application/vnd.oci.image.manifest.v1+json', manifest),
      annotations: { 'io.containerd.image.name': name },
    });
  }
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  tar.entry({ name: 'index.json' }, json({ schemaVersion: 2, mediaType, manifests }));
  tar.finalize();
  await writing;
}

/** As `docker save` of before Docker 25 writes it: the layers, uncompressed, and a manifest.json at the end. */
export async function writeDockerSave(path: string, images: readonly ArchiveImage[]): Promise<void> {
  const tar = pack();
  const writing = written(tar, path, new PassThrough());
  const saved: object[] = [];
  for (const { name, layers } of images) {
    for (const layer of layers) await addLayer(tar, layerPath(layer), layer);
    const config = configOf(layers);
    tar.entry({ name: `${sha256(config)}.json` }, config);
    saved.push({ Config: `${sha256(config)}.json`, RepoTags: [name], Layers: layers.map(layerPath) });
  }
  tar.entry({ name: 'manifest.json' }, json(saved));
  tar.finalize();
  await writing;
}

function layerPath({ key }: Layer): string {
  return `${sha256(key)}/layer.tar`;
}

async function addLayer(tar: Pack, name: string, layer: Layer): Promise<void> {
  await pipeline(Readable.from(layerTar(layer)), tar.entry({ name, size: layer.size }));
}

async function written(tar: Pack, path: string, through: Duplex): Promise<void> {
  await pipeline(tar, through, createWriteStream(`${path}.part`, { highWaterMark: mebibyte }));
  await rename(`${path}.part`, path);
}

export function configOf(layers: readonly Layer[]): Buffer {
  const rootfs = { type: 'layers', diff_ids: layers.map(({ digest }) => digest) };
  return json({ architecture: 'amd64', os: 'linux', config: {}, rootfs });
}

export function manifestOf(config: Buffer, layers: readonly Layer[]): Buffer {
  return json({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: descriptor('application/vnd.oci.image.config.v1+json', config),
    layers: layers.map(({ digest, size }) => ({
      mediaType: 'application/vnd.oci.image.layer.v1.tar',
      digest,
      size,
    })),
  });
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function descriptor(mediaType: string, bytes: Buffer) {
  return { mediaType, digest: `sha256:${sha256(bytes)}`, size: bytes.byteLength };
}
