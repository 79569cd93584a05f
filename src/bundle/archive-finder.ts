import type { Archive } from '../archive/archive.ts';
import { attachedSubject } from '../archive/attached-entry.ts';
import { combineArchives } from '../archive/combine-archives.ts';
import type { Descriptor } from '../image/descriptor.ts';
import { type Digest, isDigest } from '../image/digest.ts';
import { isDocumentType } from '../image/documents.ts';
import { readDocument } from '../image/read-document.ts';
import { digestReference, formatReference, parseReference, type Reference } from '../image/reference.ts';
import type { BlobSource, ImageSource } from '../image/source.ts';
import type { AttachedDocument, FoundImage, ImageFinder } from './image-finder.ts';

export interface ArchiveFinder extends ImageFinder {
  /** Every image that there is, in order. One without a name cannot be asked for. */
  readonly references: readonly Reference[];
}

/**
 * Archives as what images are found in, by name, or by digest whatever name they have there.
 * @throws ImgctlError `archive_conflict` where a name stands for two images
 */
export async function archiveFinder(
  archives: readonly Archive[],
  { signatures, signal }: { readonly signatures: boolean; readonly signal?: AbortSignal | undefined },
): Promise<ArchiveFinder> {
  const source: ImageSource = combineArchives(archives);
  const attached: (AttachedDocument & { readonly archive: Archive })[] = [];
  for (const archive of signatures ? archives : [])
    for (const entry of archive.attached)
      attached.push({ archive, entry, subject: await subjectOf(entry, archive, signal) });
  return {
    references: source.images.flatMap(({ name }) => (name === undefined ? [] : parseReference(name))),
    async find(reference): Promise<FoundImage | undefined> {
      const image = source.images.find(({ name, target }) => isMeant(reference, name, target));
      if (image === undefined) return undefined;
      const { target } = image;
      // What names no image is about those that it stands beside
      const isBeside = ({ images }: Archive) => images.some((other) => other.target.digest === target.digest);
      const near = attached.filter(({ archive, subject }) => subject !== undefined || isBeside(archive));
      return { target, source, attached: near };
    },
  };
}

function isMeant({ digest, ...reference }: Reference, name: string | undefined, target: Descriptor): boolean {
  if (digest !== undefined) return target.digest === digest || name === digestReference(reference, digest);
  return name === formatReference(reference);
}

/** What a signature or attestation is about: its tag says it (cosign), or its manifest (OCI 1.1), or the index. */
async function subjectOf(
  entry: Descriptor,
  source: BlobSource,
  signal?: AbortSignal,
): Promise<Digest | undefined> {
  const told = attachedSubject(entry);
  if (told !== undefined) return told;
  if (!isDocumentType(entry.mediaType) || source.sizeOf(entry.digest) === undefined) return undefined;
  const bytes = await readDocument(source, entry, signal);
  const { subject } = JSON.parse(Buffer.from(bytes).toString('utf8')) as {
    subject?: { digest?: unknown } | null;
  };
  return isDigest(subject?.digest) ? subject.digest : undefined;
}
