import { ImgctlError } from '../errors.ts';
import { digestReference, formatReference, isReference, parseReference } from '../image/reference.ts';
import type { Store } from '../store/store.ts';

/**
 * Removes a name, and with the last tag of a repository's image the `repository@digest` that came beside it:
 * otherwise the image would stay, under a name that nobody gave. Answers the whole name.
 * @throws ImgctlError `reference_invalid`, `image_unknown`
 */
export async function removeNodeImage(store: Store, text: string, signal?: AbortSignal): Promise<string> {
  const reference = parseReference(text);
  const name = formatReference(reference);
  const image = await store.getImage(name, signal);
  if (image === undefined || !(await store.removeImage(name, signal))) {
    throw new ImgctlError('image_unknown', `this node has no image ${name}`, {
      hint: 'imgctl images list shows what each node has.',
      context: { image: name },
    });
  }
  const byDigest = digestReference(reference, image.target.digest);
  const others = (await store.listImages(signal)).filter(
    (other) =>
      other.name !== byDigest && other.target.digest === image.target.digest && isReference(other.name),
  );
  const stillTagged = others.some(
    (other) => digestReference(parseReference(other.name), image.target.digest) === byDigest,
  );
  if (!stillTagged) await store.removeImage(byDigest, signal);
  return name;
}
