import { ImgctlError } from '../errors.ts';
import type { Descriptor } from '../image/descriptor.ts';
import type { Digest } from '../image/digest.ts';
import type { SourceImage } from '../image/source.ts';
import { ArchiveBlobs } from './archive-blobs.ts';
import { signatureName } from './archive-documents.ts';
import type { ArchiveFiles } from './archive-files.ts';
import { checkImage, type WalkedImage, walkImage } from './check-image.ts';
import { manifestOf, readDockerSave, refuseAncient, type SavedImage } from './docker-save.ts';
import { DocumentReader } from './document-reader.ts';
import { nameImages } from './image-names.ts';
import { type OciLayout, readOciLayout, type VerifyIndex } from './oci-layout.ts';

export interface ContentsOptions {
  /** The name for the one image that there is, in place of its own. */
  readonly tag?: string | undefined;
  /** What to do about images without a name; by default they are refused. */
  readonly unnamed?: 'refuse' | 'keep' | undefined;
  /** Whether the archive's end was seen: where it was not, what is missing was cut off. */
  readonly complete: boolean;
  /** `keep` gives images of which no platform is whole, too. */
  readonly incomplete?: 'refuse' | 'keep' | undefined;
  /** As `ArchiveOptions` has it. */
  readonly verifyIndex?: VerifyIndex | undefined;
}

export interface Contents {
  readonly images: readonly SourceImage[];
  readonly blobs: ArchiveBlobs;
  readonly layout: Omit<OciLayout, 'images'>;
}

/**
 * What the files of an archive mean: its images, named, whole, each once.
 * Docker 25 and newer write an OCI layout and a manifest.json of the same images: index.json decides what they are,
 * and the names of both count.
 * @throws ImgctlError `archive_no_images`, `archive_unnamed`, `archive_incomplete`, `archive_truncated`,
 * `archive_conflict`, `document_invalid`, `digest_mismatch` and others that name what is wrong
 */
export async function readContents(
  files: ArchiveFiles,
  { tag, unnamed = 'refuse', incomplete = 'refuse', complete, verifyIndex }: ContentsOptions,
): Promise<Contents> {
  refuseTwice({ label: files.label, twice: files.twice() });
  const blobs = new ArchiveBlobs(files);
  const documents = new DocumentReader(files, blobs);
  const { images: found, ...layout } = await readOciLayout(files, { blobs, documents, verifyIndex });
  const walked: WalkedImage[] = [];
  for (const image of found) walked.push(await walkImage(image, blobs, documents));
  for (const saved of verifyIndex === undefined ? await readDockerSave(files) : []) {
    const targets = targetsOf(saved.configDigest, walked);
    if (targets.length > 0) {
      addNames(found, saved, targets);
      continue;
    }
    const target = await manifestOf(saved, files, blobs);
    const images = saved.names.length === 0 ? [{ target }] : saved.names.map((name) => ({ name, target }));
    found.push(...images);
    walked.push(await walkImage(images[0] ?? { target }, blobs, documents));
  }
  if (found.length === 0) throw noImages(files);
  // A delta bundle is meant to lack what its base has
  if (incomplete === 'refuse' && layout.base === undefined)
    for (const image of walked) checkImage(image, { label: files.label, blobs, complete });
  return { images: nameImages(found, { label: files.label, tag, unnamed }), blobs, layout };
}

/** What says which images there are: of two, one tool reads the first, another the last, and a signature is good for one. */
const decisive = ['index.json', signatureName, 'manifest.json'];

/** @throws ImgctlError `archive_conflict` */
function refuseTwice({
  twice,
  label,
}: {
  readonly twice: ReadonlySet<string>;
  readonly label: string;
}): void {
  const name = decisive.find((each) => twice.has(each));
  if (name === undefined) return;
  throw new ImgctlError('archive_conflict', `${label} has ${name} twice`, {
    hint: 'Tools differ about which one they read: do not trust it, or pack it again from its files.',
    context: { path: label },
  });
}

/** The images of index.json that this config belongs to. */
function targetsOf(config: Digest, walked: readonly WalkedImage[]): Descriptor[] {
  return walked
    .filter(({ graph }) => graph?.manifests.some(({ manifest }) => manifest.config.digest === config))
    .map(({ image }) => image.target);
}

function addNames(found: SourceImage[], { names }: SavedImage, targets: readonly Descriptor[]): void {
  const named = new Set(found.map(({ name }) => name));
  // What index.json left without a name is meant first
  const isNameless = ({ digest }: Descriptor) =>
    found.some(({ name, target }) => name === undefined && target.digest === digest);
  const target = targets.find(isNameless) ?? targets[0];
  const fresh = names.filter((name) => !named.has(name));
  if (target === undefined || fresh.length === 0) return;
  const nameless = found.findIndex(
    (image) => image.name === undefined && image.target.digest === target.digest,
  );
  if (nameless >= 0) found.splice(nameless, 1);
  found.push(...fresh.map((name) => ({ name, target })));
}

function noImages(files: ArchiveFiles): ImgctlError {
  refuseAncient(files);
  const nested = [...files.names()].find((name) => /^[^/]+\/(?:index|manifest)\.json$/.test(name));
  const folder = nested?.slice(0, nested.indexOf('/'));
  const isChart = [...files.names()].some((name) => /^[^/]+\/Chart\.yaml$/.test(name));
  const hint = isChart
    ? 'It is a Helm chart. An archive of its images: helm template CHART | imgctl bundle create -f - -o bundle.tar.zst'
    : folder === undefined
      ? 'Save the image with docker save IMAGE:TAG (docker export writes the files of a container, not an image).'
      : `The image is in the folder ${folder}: pack its content, tar -C ${folder} -cf ARCHIVE .`;
  return new ImgctlError(
    'archive_no_images',
    `${files.label} is a tar archive without images (no index.json or manifest.json names one)`,
    {
      hint,
      context: { path: files.label },
    },
  );
}
