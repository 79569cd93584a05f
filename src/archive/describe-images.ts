import type { Descriptor } from '../image/descriptor.ts';
import type { Digest } from '../image/digest.ts';
import { isDocumentType } from '../image/documents.ts';
import { type GraphManifest, type ReadDocument, resolveGraph } from '../image/graph.ts';
import { formatPlatform } from '../image/platform.ts';
import { readDocument } from '../image/read-document.ts';
import type { BlobSource, ImageSource } from '../image/source.ts';
import { missingOf } from './check-image.ts';

export interface ImagesDescription {
  readonly images: readonly {
    /** Its digest where it has no name. */
    readonly name: string;
    readonly digest: Digest;
    /** Those that are here whole, config and all layers; attestations are no platforms. */
    readonly platforms: readonly string[];
  }[];
  /** Different blobs of all images that are here, and their bytes. */
  readonly blobs: number;
  readonly bytes: number;
}

/** Reads the documents of a source that are there. */
export function documentsOf(source: BlobSource, signal?: AbortSignal): ReadDocument {
  return async (descriptor: Descriptor) =>
    source.sizeOf(descriptor.digest) === undefined || !isDocumentType(descriptor.mediaType)
      ? undefined
      : readDocument(source, descriptor, signal);
}

/** What a source holds, for people and for `--output json`. @throws ImgctlError those of reading documents */
export async function describeImages(source: ImageSource, signal?: AbortSignal): Promise<ImagesDescription> {
  const blobs = new Map<Digest, number>();
  const images: ImagesDescription['images'][number][] = [];
  const read = documentsOf(source, signal);
  for (const { name, target } of source.images) {
    const graph = await resolveGraph(target, { kind: 'all' }, read);
    for (const { digest } of graph.blobs) {
      const size = source.sizeOf(digest);
      if (size !== undefined) blobs.set(digest, size);
    }
    const isWhole = (manifest: GraphManifest) =>
      source.base !== undefined || missingOf(manifest, source).length === 0;
    const whole = graph.manifests.filter(isWhole);
    const platforms = whole.flatMap(({ platform }) =>
      platform === undefined ? [] : formatPlatform(platform),
    );
    images.push({ name: name ?? target.digest, digest: target.digest, platforms: [...new Set(platforms)] });
  }
  const bytes = [...blobs.values()].reduce((sum, size) => sum + size, 0);
  return { images, blobs: blobs.size, bytes };
}
