import { errorFromWire } from '../../agent-api/errors.ts';
import type { ImageStatus } from '../../agent-api/schemas.ts';
import { ImgctlError } from '../../errors.ts';
import type { Store } from '../../store/store.ts';
import { areAllThere } from '../../transfer/are-all-there.ts';
import { Import, type ImportOptions } from '../../transfer/import.ts';
import { directoryRules } from './import-file.ts';
import type { GivenImage } from './remembered.ts';

/** Whether the store has these images as the directory brings them: whole, unpacked, named, pinned. Moves nothing. */
export async function areHeld(images: readonly GivenImage[], options: ImportOptions): Promise<boolean> {
  if (images.length === 0) return false;
  const declaration = { ...directoryRules, images: [...images] };
  return areAllThere(options, declaration);
}

/** What the store has under these names; undefined unless it has them all. */
export async function imagesNamed(
  names: readonly string[],
  store: Store,
  signal: AbortSignal,
): Promise<readonly GivenImage[] | undefined> {
  const images: GivenImage[] = [];
  for (const name of names) {
    const image = await store.getImage(name, signal);
    if (image === undefined) return undefined;
    images.push({ name, target: image.target });
  }
  return images;
}

/**
 * Pins and names an image whose blobs are in the store already, as if the directory had brought it.
 * @throws ImgctlError `import_incomplete` where they are not, and those of the import
 */
export async function claimHeld(
  image: GivenImage,
  options: ImportOptions,
  signal: AbortSignal,
): Promise<ImageStatus> {
  const claimed = await Import.open(options, { ...directoryRules, images: [image] });
  try {
    const { missing } = await claimed.state();
    if (missing.length === 0) {
      for await (const event of claimed.events(signal)) {
        if (event.type === 'error') throw errorFromWire(event.error);
        const [status] = event.type === 'done' ? event.images : [];
        if (status !== undefined) return status;
      }
    }
    throw new ImgctlError('import_incomplete', `the store lacks ${missing.length} blobs of ${image.name}`, {
      context: { image: image.name },
    });
  } finally {
    await claimed.leave();
  }
}
