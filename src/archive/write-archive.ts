import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack as tarPack } from 'tar-stream';
import type { Descriptor } from '../image/descriptor.ts';
import { type Digest, digestAlgorithm, digestHex } from '../image/digest.ts';
import type { ImageGraph } from '../image/graph.ts';
import { mediaTypes } from '../image/media-types.ts';
import { familiarReference, isReference, parseReference } from '../image/reference.ts';

/** An image as it goes into an archive: its names, and the parts of it that are there. */
export interface ArchivedImage {
  readonly names: readonly string[];
  readonly graph: ImageGraph;
}

export interface WriteArchiveOptions {
  /** The bytes of a blob, all of them. */
  readonly read: (digest: Digest) => AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal | undefined;
  /** Told the bytes of blobs that were written so far. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

/**
 * Writes images as a tar that is an OCI image layout and what `docker save` writes at once, so that every tool takes it
 * back. The small documents come first: whoever reads it as a stream knows what follows. The same images give the same
 * bytes, on any day. `output` is not ended.
 */
export async function writeArchive(
  images: readonly ArchivedImage[],
  output: Writable,
  { read, signal, onBytes }: WriteArchiveOptions,
): Promise<void> {
  const pack = tarPack();
  const piped = pipeline(pack, output, { end: false, ...(signal === undefined ? {} : { signal }) });
  // When the output breaks, nobody drains the tar any more: whatever waits for it must hear
  const broken = piped.then(() => new Promise<never>(() => {}));
  broken.catch(() => {});
  const blobs = new Map(
    images.flatMap(({ graph }) => graph.blobs.map((blob) => [blob.digest, blob] as const)),
  );
  let written = 0;
  try {
    for (const { name, bytes } of archiveDocuments(images))
      await addEntry(pack, { name, size: bytes.byteLength }, [bytes], () => {});
    for (const { digest, size } of blobs.values()) {
      await Promise.race([
        broken,
        addEntry(pack, { name: archivePath(digest), size }, read(digest), (bytes) => {
          written += bytes;
          onBytes?.(written);
        }),
      ]);
    }
    pack.finalize();
  } catch (error) {
    pack.destroy(error instanceof Error ? error : new Error(String(error)));
    // The first error is the cause of all others
    await piped.catch(() => {});
    throw error;
  }
  await piped;
}

/** What stands in an archive ahead of the blobs. */
export function archiveDocuments(
  images: readonly ArchivedImage[],
): { readonly name: string; readonly bytes: Buffer }[] {
  const documents = {
    'oci-layout': { imageLayoutVersion: '1.0.0' },
    'index.json': indexOf(images),
    'manifest.json': images.flatMap(dockerManifests),
  };
  return Object.entries(documents).map(([name, value]) => ({
    name,
    bytes: Buffer.from(JSON.stringify(value)),
  }));
}

function indexOf(images: readonly ArchivedImage[]) {
  return {
    schemaVersion: 2,
    mediaType: mediaTypes.ociIndex,
    manifests: images.flatMap(({ names, graph }) => names.map((name) => indexEntry(name, graph.target))),
  };
}

/** containerd's annotation holds the whole name, the specification's the tag alone. */
function indexEntry(name: string, target: Descriptor) {
  const tag = isReference(name) ? parseReference(name).tag : undefined;
  return {
    ...target,
    annotations: {
      'io.containerd.image.name': name,
      ...(tag === undefined ? {} : { 'org.opencontainers.image.ref.name': tag }),
    },
  };
}

/** `docker load` knows one platform a name: the first that is an image. */
function dockerManifests({ names, graph }: ArchivedImage) {
  const image = graph.manifests.find(({ layers }) => layers.length > 0) ?? graph.manifests[0];
  if (image === undefined) return [];
  const tags = names.filter((name) => isReference(name) && parseReference(name).tag !== undefined);
  return [
    {
      Config: archivePath(image.manifest.config.digest),
      RepoTags: tags.map((name) => familiarReference(parseReference(name))),
      Layers: image.manifest.layers.map(({ digest }) => archivePath(digest)),
    },
  ];
}

/** Where a blob stands in an archive. */
export function archivePath(digest: Digest): string {
  return `blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`;
}

async function addEntry(
  pack: Pack,
  header: { readonly name: string; readonly size: number },
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const added = Promise.withResolvers<void>();
  const entry = pack.entry({ ...header, mode: 0o444, mtime: new Date(0) }, (error) =>
    error ? added.reject(error) : added.resolve(),
  );
  added.promise.catch(() => {});
  // Told also between two chunks, when nobody waits for it
  entry.on('error', added.reject);
  for await (const chunk of chunks) {
    if (!entry.write(chunk)) await once(entry, 'drain');
    onBytes(chunk.byteLength);
  }
  entry.end(null);
  await added.promise;
}
