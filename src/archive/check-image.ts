import { hasCode, ImgctlError } from '../errors.ts';
import type { Descriptor } from '../image/descriptor.ts';
import { shortDigest } from '../image/digest.ts';
import { type GraphManifest, type ImageGraph, resolveGraph } from '../image/graph.ts';
import type { BlobSource, SourceImage } from '../image/source.ts';
import type { ArchiveBlobs } from './archive-blobs.ts';
import { truncated } from './archive-errors.ts';
import type { DocumentReader } from './document-reader.ts';

/** An image with all that the archive has of it; without a graph where it has not one manifest. */
export interface WalkedImage {
  readonly image: SourceImage;
  readonly graph: ImageGraph | undefined;
}

/** @throws ImgctlError `image_cycle`, `document_invalid` and those of reading documents */
export async function walkImage(
  image: SourceImage,
  blobs: ArchiveBlobs,
  documents: DocumentReader,
): Promise<WalkedImage> {
  if (blobs.find(image.target.digest) === undefined) return { image, graph: undefined };
  try {
    return { image, graph: await resolveGraph(image.target, { kind: 'all' }, documents.read) };
  } catch (thrown) {
    if (hasCode(thrown, 'platform_missing')) return { image, graph: undefined };
    throw thrown;
  }
}

/**
 * Refuses an image of which no platform is whole: nothing of it could be used.
 * Platforms that were not saved are no fault, unless the archive's end is missing too.
 * @throws ImgctlError `archive_incomplete`, `archive_truncated`, `size_mismatch`
 */
export function checkImage(
  { image, graph }: WalkedImage,
  { label, blobs, complete }: { label: string; blobs: ArchiveBlobs; complete: boolean },
): void {
  const title = image.name ?? shortDigest(image.target.digest);
  if (graph === undefined) throw lacking(label, title, [image.target], complete);
  for (const { digest, size } of graph.blobs) {
    const actual = blobs.sizeOf(digest);
    if (actual === undefined || actual === size) continue;
    throw new ImgctlError(
      'size_mismatch',
      `${label}: ${digest} of ${title} has ${actual} bytes, its descriptor says ${size}`,
      {
        hint: 'The archive was damaged or made by a broken tool: save the image again.',
        context: { path: label, image: title, digest },
      },
    );
  }
  const missing = new Map(graph.manifests.map((manifest) => [manifest, missingOf(manifest, blobs)]));
  const all = [...missing.values()].flat();
  if (all.length === 0) return;
  const platforms = graph.manifests.filter(({ platform }) => platform !== undefined);
  const counted = platforms.length > 0 ? platforms : graph.manifests;
  const someWhole = counted.some((manifest) => missing.get(manifest)?.length === 0);
  if (!someWhole || !complete) throw lacking(label, title, all, complete);
}

/** What a manifest needs and the archive lacks: its config, and layers bottom to top. */
export function missingOf({ manifest }: GraphManifest, source: Pick<BlobSource, 'sizeOf'>): Descriptor[] {
  return [manifest.config, ...manifest.layers].filter(({ digest }) => source.sizeOf(digest) === undefined);
}

function lacking(
  label: string,
  title: string,
  missing: readonly Descriptor[],
  complete: boolean,
): ImgctlError {
  const [first] = missing;
  const more = missing.length > 1 ? ` and ${missing.length - 1} more` : '';
  const what = `${first?.digest} of ${title}${more}`;
  if (!complete) return truncated(label, `its end is missing, and with it ${what}`);
  return new ImgctlError('archive_incomplete', `${label} lacks ${what}`, {
    hint: 'Save the image again, for one platform if the others were never pulled: docker save IMAGE:TAG.',
    context: { path: label, image: title, ...(first === undefined ? {} : { digest: first.digest }) },
  });
}
