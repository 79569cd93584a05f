import { errorToWire } from '../../agent-api/errors.ts';
import type { DirectoryImage } from '../../agent-api/schemas.ts';
import { hasCode, ImgctlError, toImgctlError } from '../../errors.ts';
import { digestReference, parseReference } from '../../image/reference.ts';
import type { ImportOptions } from '../../transfer/import.ts';
import type { Log } from '../log.ts';
import type { BackOff } from './back-off.ts';
import { claimHeld, imagesNamed } from './held-images.ts';
import type { ListedImage } from './image-list.ts';
import type { GivenImage } from './remembered.ts';

/** Brings the image of this whole name into the store, from wherever it comes. @throws ImgctlError why it did not */
export type Pull = (reference: string, signal: AbortSignal) => Promise<void>;

export interface PullList {
  readonly imports: ImportOptions;
  readonly pull: Pull;
  readonly backOff: BackOff;
  readonly log: Log;
  /** What becomes of each image, as soon as it is known. */
  readonly onImage: (image: DirectoryImage) => void;
}

/** Brings what the store lacks, one image after the other. One that fails stops no other. Answers those that came. */
export async function pullList(
  images: readonly ListedImage[],
  list: PullList,
  signal: AbortSignal,
): Promise<readonly GivenImage[]> {
  const given: GivenImage[] = [];
  for (const { name, error } of images) {
    try {
      if (error !== undefined) throw error;
      const image = await bring(name, list, signal);
      given.push(image);
      list.onImage({ name, digest: image.target.digest, state: 'ready' });
    } catch (thrown) {
      signal.throwIfAborted();
      list.onImage({ name, state: 'failed', error: errorToWire(toImgctlError(thrown)) });
    }
  }
  return given;
}

async function bring(name: string, list: PullList, signal: AbortSignal): Promise<GivenImage> {
  const { pull, backOff, log, onImage } = list;
  const here = await claim(name, list, signal);
  if (here !== undefined) {
    backOff.forget(name);
    log.info({ image: name }, `Image ${name} has already been pulled`);
    return here;
  }
  const before = backOff.errorOf(name);
  if (before !== undefined && backOff.waitMs(name) > 0) throw before;
  onImage({ name, state: 'pulling' });
  log.info({ image: name }, `Pulling image ${name}`);
  try {
    await pull(name, signal);
    const pulled = await claim(name, list, signal);
    if (pulled === undefined) throw notThere(name);
    backOff.forget(name);
    log.info({ image: name, digest: pulled.target.digest }, `Imported ${name}`);
    return pulled;
  } catch (thrown) {
    signal.throwIfAborted();
    const error = toImgctlError(thrown);
    backOff.failed(name, error);
    log.warn({ image: name, code: error.code, message: error.message }, 'image was not pulled');
    throw error;
  }
}

/** The image as the store has it, pinned; undefined where it does not have all of it. */
async function claim(
  name: string,
  { imports }: PullList,
  signal: AbortSignal,
): Promise<GivenImage | undefined> {
  const [image] = (await imagesNamed([storedName(name)], imports.store, signal)) ?? [];
  if (image === undefined) return undefined;
  try {
    const { error } = await claimHeld(image, imports, signal);
    return error === undefined ? image : undefined;
  } catch (error) {
    if (hasCode(error, 'import_incomplete')) return undefined;
    throw error;
  }
}

/** Of a name with tag and digest the CRI keeps the digest. */
function storedName(name: string): string {
  const reference = parseReference(name);
  return reference.digest === undefined ? name : digestReference(reference, reference.digest);
}

function notThere(name: string): ImgctlError {
  return new ImgctlError('image_unverified', `${name} was pulled, and the store does not have all of it`, {
    hint: "See what containerd's log says, and whether its garbage collection takes images.",
    context: { image: name },
  });
}
