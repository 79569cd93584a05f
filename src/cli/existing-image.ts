import { ImgctlError } from '../errors.ts';
import type { Store, StoredImage } from '../store/store.ts';

/** @throws ImgctlError `image_unknown` */
export async function existingImage(store: Store, name: string, signal: AbortSignal): Promise<StoredImage> {
  const image = await store.getImage(name, signal);
  if (image !== undefined) return image;
  throw new ImgctlError('image_unknown', `there is no image ${name}`, {
    hint: 'See the names that there are with imgctl ctr image list; -n names another namespace.',
    context: { image: name },
  });
}
