import { toImgctlError } from '../errors.ts';
import { bareDescriptor, type Descriptor } from '../image/descriptor.ts';
import type { Digest } from '../image/digest.ts';
import { parseIndex, parseManifest } from '../image/documents.ts';
import { isImageConfigType, isIndexType, isManifestType, mediaTypes } from '../image/media-types.ts';
import type { SourceBase, SourceImage } from '../image/source.ts';
import type { ArchiveBlobs } from './archive-blobs.ts';
import { signatureName } from './archive-documents.ts';
import type { ArchiveFiles } from './archive-files.ts';
import { attachedTag } from './attached-entry.ts';
import { deltaBase } from './delta.ts';
import type { DocumentReader } from './document-reader.ts';
import { annotatedName } from './image-names.ts';

/** Indexes within index.json that only group named images are looked into this deep. */
const maxDepth = 8;

/** Throws where an index is not to be trusted. */
export type VerifyIndex = (
  index: Uint8Array | undefined,
  signature: Uint8Array | undefined,
  label: string,
) => void;

interface LayoutReading {
  readonly blobs: ArchiveBlobs;
  readonly documents: DocumentReader;
  readonly verifyIndex?: VerifyIndex | undefined;
}

/** What index.json of an OCI image layout says. */
export interface OciLayout {
  /** Its bytes; undefined where there is none. */
  readonly index: Uint8Array | undefined;
  /** What stands beside it as its signature, unverified. */
  readonly signature?: Uint8Array | undefined;
  /** What the archive builds upon: then it may lack layers. */
  readonly base?: SourceBase | undefined;
  readonly images: SourceImage[];
  /** Signatures and attestations that stand beside images, with what the index says of each. */
  readonly attached: readonly Descriptor[];
}

/**
 * The images of an OCI image layout (OCI image specification 1.1, "Image Layout"): what index.json names.
 * Signatures and attestations that stand beside an image are not images, unless there is nothing else.
 */
export async function readOciLayout(
  files: ArchiveFiles,
  { blobs, documents, verifyIndex }: LayoutReading,
): Promise<OciLayout> {
  const file = files.find('index.json');
  if (file === undefined) {
    verifyIndex?.(undefined, undefined, files.label);
    return { index: undefined, images: [], attached: [] };
  }
  const layout = new Layout(files, blobs, documents);
  const index = await files.read(file);
  const signed = files.find(signatureName);
  const signature = signed === undefined ? undefined : await files.read(signed);
  verifyIndex?.(index, signature, files.label);
  const { manifests } = inArchive(files.label, parseIndex, index);
  for (const descriptor of manifests) await layout.add(descriptor, 0);
  return {
    index,
    signature,
    base: deltaBase(index),
    images: layout.images(),
    attached: layout.attached(),
  };
}

class Layout {
  readonly #files: ArchiveFiles;
  readonly #blobs: ArchiveBlobs;
  readonly #documents: DocumentReader;
  readonly #named: SourceImage[] = [];
  readonly #nameless: Descriptor[] = [];
  readonly #accessories: Descriptor[] = [];

  constructor(files: ArchiveFiles, blobs: ArchiveBlobs, documents: DocumentReader) {
    this.#files = files;
    this.#blobs = blobs;
    this.#documents = documents;
  }

  async add(found: Descriptor, depth: number): Promise<void> {
    const descriptor = await this.#typed(found);
    if (!isIndexType(descriptor.mediaType) && !isManifestType(descriptor.mediaType)) return;
    const name = annotatedName(descriptor);
    if (attachedTag(descriptor) !== undefined) {
      this.#accessories.push(descriptor);
      return;
    }
    if (name !== undefined) {
      this.#named.push({ name, target: bareDescriptor(descriptor) });
      return;
    }
    const children = await this.#namedChildren(descriptor);
    if (children.length > 0 && depth < maxDepth) {
      for (const child of children) await this.add(child, depth + 1);
    } else if (await this.#isAccessory(descriptor)) this.#accessories.push(descriptor);
    else this.#nameless.push(descriptor);
  }

  images(): SourceImage[] {
    const named = new Set(this.#named.map(({ target }) => target.digest));
    const nameless = this.#nameless.filter(({ digest }) => !named.has(digest));
    const others = this.#named.length + nameless.length > 0 ? nameless : this.#accessories;
    const images = others.map((descriptor): [Digest, SourceImage] => {
      const name = annotatedName(descriptor);
      return [descriptor.digest, { ...(name && { name }), target: bareDescriptor(descriptor) }];
    });
    return [...this.#named, ...new Map(images).values()];
  }

  /** What is beside images; where there is nothing else, it was given as images. */
  attached(): Descriptor[] {
    return this.#named.length + this.#nameless.length > 0 ? this.#accessories : [];
  }

  /** Some tools leave the media type out of index.json; the document says it, or shows it by its shape. */
  async #typed(descriptor: Descriptor): Promise<Descriptor> {
    const blob = descriptor.mediaType === '' ? this.#blobs.find(descriptor.digest) : undefined;
    if (blob === undefined) return descriptor;
    const bytes = blob.bytes ?? (await this.#files.read(blob.file));
    const text = Buffer.from(bytes).toString('utf8');
    const mediaType = text.includes('"manifests"') ? mediaTypes.ociIndex : mediaTypes.ociManifest;
    return { ...descriptor, mediaType };
  }

  /** What an index without a name holds, if any of it has one: then it is a shelf, not an image. */
  async #namedChildren(descriptor: Descriptor): Promise<readonly Descriptor[]> {
    if (!isIndexType(descriptor.mediaType)) return [];
    const bytes = await this.#documents.read(descriptor);
    if (bytes === undefined) return [];
    const { manifests } = parseIndex(bytes, descriptor);
    return manifests.some((child) => annotatedName(child) !== undefined) ? manifests : [];
  }

  async #isAccessory(descriptor: Descriptor): Promise<boolean> {
    const { annotations, artifactType, platform, mediaType } = descriptor;
    const cosign = annotations?.kind ?? '';
    if (/^dev\.cosignproject\.cosign\/(?!image)/.test(cosign)) return true;
    if (artifactType !== undefined || annotations?.['vnd.docker.reference.type'] !== undefined) return true;
    if (platform?.os === 'unknown' && platform.architecture === 'unknown') return true;
    if (!isManifestType(mediaType)) return false;
    const bytes = await this.#documents.read(descriptor);
    if (bytes === undefined) return false;
    const { config } = parseManifest(bytes, descriptor);
    const { subject } = JSON.parse(Buffer.from(bytes).toString('utf8')) as { subject?: unknown };
    return (subject !== undefined && subject !== null) || !isImageConfigType(config.mediaType);
  }
}

/** The parser's errors, with the archive named. */
function inArchive<T>(label: string, parse: (bytes: Uint8Array) => T, bytes: Uint8Array): T {
  try {
    return parse(bytes);
  } catch (thrown) {
    throw toImgctlError(thrown).within({ path: label });
  }
}
