import { type ImgctlError, toImgctlError } from '../../errors.ts';
import { formatReference, parseReference } from '../../image/reference.ts';
import { linesOfList } from '../../image/reference-list.ts';

/** A line of a list that names an image, or tries to. */
export interface ListedImage {
  /** The whole reference; as it was written where it is none. */
  readonly name: string;
  readonly error?: ImgctlError | undefined;
}

/** A reference has 1024 characters at most; what is longer is shown in part. */
const maxShown = 200;

/** The images that a list names, each once; a bad line stops no other. */
export function parseImageList(text: string): readonly ListedImage[] {
  const images = new Map<string, ListedImage>();
  for (const line of linesOfList(text)) {
    const image = listedImage(line.text);
    images.set(image.name, image);
  }
  return [...images.values()];
}

function listedImage(written: string): ListedImage {
  try {
    return { name: formatReference(parseReference(written)) };
  } catch (error) {
    return { name: written.slice(0, maxShown), error: toImgctlError(error) };
  }
}
