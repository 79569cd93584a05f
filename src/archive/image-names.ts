import { ImgctlError } from '../errors.ts';
import type { Descriptor } from '../image/descriptor.ts';
import { formatReference, parseReference } from '../image/reference.ts';
import type { SourceImage } from '../image/source.ts';

/** A name, normalised and whole; undefined for what is none (`<none>:<none>`). */
export function normalizeName(text: string): string | undefined {
  try {
    return formatReference(parseReference(text));
  } catch {
    return undefined;
  }
}

/**
 * The name that an index gives an image: containerd's annotation, else the OCI one where it is a whole reference.
 * Docker and umoci write a bare tag there (`latest`, `1.0`), which would read as the repository docker.io/library/latest.
 */
export function annotatedName({ annotations }: Descriptor): string | undefined {
  const own = normalizeName(annotations?.['io.containerd.image.name'] ?? '');
  if (own !== undefined) return own;
  const refName = annotations?.['org.opencontainers.image.ref.name'] ?? '';
  return isWhole(refName) ? normalizeName(refName) : undefined;
}

/** Whole: with a tag or digest after a repository, or on a registry's host. */
function isWhole(text: string): boolean {
  const [first = '', ...rest] = text.split('/');
  const hasHost = rest.length > 0 && (first === 'localhost' || /[.:]/.test(first));
  return hasHost || /[:@]/.test(text.slice(text.lastIndexOf('/') + 1));
}

/**
 * The images as they are to be imported: with `tag`, the one that there is, under that name alone.
 * @throws ImgctlError `usage` where `tag` would name several, `reference_invalid`, `archive_unnamed`, `archive_conflict`
 */
export function nameImages(
  images: readonly SourceImage[],
  { label, tag, unnamed }: { label: string; tag?: string | undefined; unnamed: 'refuse' | 'keep' },
): SourceImage[] {
  if (tag !== undefined) return [onlyImage(images, label, tag)];
  const nameless = images.filter(({ name }) => name === undefined);
  if (nameless.length > 0 && unnamed === 'refuse') {
    const many = nameless.length > 1;
    throw new ImgctlError(
      'archive_unnamed',
      `${label} holds ${many ? `${nameless.length} images` : 'an image'} without a name`,
      {
        hint:
          many || images.length > 1
            ? 'Save each image with its name: docker save IMAGE:TAG'
            : 'Name it with --tag REF, for example --tag registry.example.com/team/app:1.4',
        context: { path: label, digests: nameless.map(({ target }) => target.digest) },
      },
    );
  }
  refuseConflicts(images, label);
  return [...images];
}

function onlyImage(images: readonly SourceImage[], label: string, tag: string): SourceImage {
  const name = formatReference(parseReference(tag));
  const [first, ...others] = new Map(images.map(({ target }) => [target.digest, target])).values();
  if (first !== undefined && others.length === 0) return { name, target: first };
  throw new ImgctlError('usage', `--tag names one image, and ${label} holds ${others.length + 1}`, {
    hint: 'Leave --tag out to import them under their own names, or save one image per archive.',
    context: { path: label, images: images.map(({ name, target }) => name ?? target.digest) },
  });
}

/** @throws ImgctlError `archive_conflict` where one name stands for two images */
export function refuseConflicts(images: readonly SourceImage[], label: string): void {
  const seen = new Map<string, string>();
  for (const { name, target } of images) {
    if (name === undefined) continue;
    const other = seen.get(name);
    if (other !== undefined && other !== target.digest) {
      throw new ImgctlError(
        'archive_conflict',
        `${label}: ${name} is the name of two images, ${other} and ${target.digest}`,
        {
          hint: 'Import them one after the other, or save the image again: a name stands for one image.',
          context: { path: label, image: name },
        },
      );
    }
    seen.set(name, target.digest);
  }
}
