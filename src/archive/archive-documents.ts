import type { Descriptor } from '../image/descriptor.ts';
import { type Digest, digestAlgorithm, digestHex } from '../image/digest.ts';
import { isDocumentType } from '../image/documents.ts';
import type { ImageGraph } from '../image/graph.ts';
import { isLayerType, mediaTypes } from '../image/media-types.ts';
import { familiarReference, isReference, parseReference } from '../image/reference.ts';

/** An image as it goes into an archive: its names, and the parts of it that are there. */
export interface ArchivedImage {
  readonly names: readonly string[];
  readonly graph: ImageGraph;
}

/** What stands beside the images: a signature, with what the index says of it. */
export interface AttachedImage {
  readonly entry: Descriptor;
  readonly graph: ImageGraph;
}

/** What an archive is beside its images; by default nothing. */
export interface ArchiveLayout {
  readonly attached?: readonly AttachedImage[] | undefined;
  /**
   * What `org.opencontainers.image.ref.name` holds, by which skopeo and oras choose: the tag alone, as Docker has it, or
   * the whole name, which tells many images apart.
   */
  readonly refName?: 'tag' | 'whole' | undefined;
  /** Of the index itself. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** Blobs that are not put in: whoever takes the archive has them. It is not for Docker then. */
  readonly leftOut?: ((digest: Digest) => boolean) | undefined;
  /** Makes the signature over index.json that goes in beside it. */
  readonly sign?: ((index: Uint8Array) => Uint8Array) | undefined;
}

/** Where the signature of index.json stands: where minisign looks for it. */
export const signatureName = 'index.json.minisig';

/** What stands in an archive ahead of the blobs. */
export function archiveDocuments(
  images: readonly ArchivedImage[],
  layout: ArchiveLayout = {},
): { readonly name: string; readonly bytes: Buffer }[] {
  const index = archiveIndex(images, layout);
  const docker = layout.leftOut === undefined ? images.map(dockerManifest) : [undefined];
  const documents = [
    { name: 'oci-layout', bytes: json({ imageLayoutVersion: '1.0.0' }) },
    { name: 'index.json', bytes: index },
  ];
  if (layout.sign !== undefined)
    documents.push({ name: signatureName, bytes: Buffer.from(layout.sign(index)) });
  // One that Docker could not load would be passed over without a word
  if (docker.every((entry) => entry !== undefined))
    documents.push({ name: 'manifest.json', bytes: json(docker) });
  return documents;
}

/** index.json, byte for byte. */
export function archiveIndex(images: readonly ArchivedImage[], layout: ArchiveLayout = {}): Buffer {
  return json(indexOf(images, layout));
}

/** The blobs of an archive, each once, documents first. */
export function archiveBlobs(
  images: readonly ArchivedImage[],
  { attached = [], leftOut = () => false }: ArchiveLayout = {},
): Descriptor[] {
  const all = [...images, ...attached].flatMap(({ graph }) => graph.blobs);
  const blobs = [...new Map(all.map((blob) => [blob.digest, blob])).values()];
  const isDocument = ({ mediaType }: Descriptor) => isDocumentType(mediaType);
  const others = blobs.filter((blob) => !isDocument(blob) && !leftOut(blob.digest));
  return [...blobs.filter(isDocument), ...others];
}

/** Where a blob stands in an archive. */
export function archivePath(digest: Digest): string {
  return `blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`;
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function indexOf(
  images: readonly ArchivedImage[],
  { attached = [], refName = 'tag', annotations }: ArchiveLayout,
) {
  return {
    schemaVersion: 2,
    mediaType: mediaTypes.ociIndex,
    manifests: [
      ...images.flatMap(({ names, graph }) => names.map((name) => indexEntry(name, graph.target, refName))),
      ...attached.map(({ entry }) => entry),
    ],
    ...(annotations === undefined ? {} : { annotations }),
  };
}

/** containerd's annotation holds the whole name, the specification's what was asked for. */
function indexEntry(name: string, target: Descriptor, refName: 'tag' | 'whole') {
  const tag = isReference(name) ? parseReference(name).tag : undefined;
  const ref = refName === 'whole' ? name : tag;
  return {
    ...target,
    annotations: {
      'io.containerd.image.name': name,
      ...(ref === undefined ? {} : { 'org.opencontainers.image.ref.name': ref }),
    },
  };
}

/** `docker load` knows one platform a name: the first. Undefined for what it cannot load. */
function dockerManifest({ names, graph }: ArchivedImage) {
  const image = graph.manifests.find(
    ({ platform, manifest }) =>
      platform !== undefined && manifest.layers.every(({ mediaType }) => isLayerType(mediaType)),
  );
  if (image === undefined) return undefined;
  const tags = names.filter((name) => isReference(name) && parseReference(name).tag !== undefined);
  return {
    Config: archivePath(image.manifest.config.digest),
    RepoTags: tags.map((name) => familiarReference(parseReference(name))),
    Layers: image.manifest.layers.map(({ digest }) => archivePath(digest)),
  };
}
