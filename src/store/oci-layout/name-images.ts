import type { ImageRecord } from '../store.ts';
import type { Layout } from './layout.ts';
import { blobUnknown } from './store-errors.ts';

/** Gives the image these names, all at once. @throws ImgctlError `blob_unknown` where the target is not here */
export async function nameImages(
  layout: Layout,
  image: ImageRecord,
  names: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const { digest } = image.target;
  await layout.rename(async (index) => {
    if ((await layout.blobs.sizeOf(digest)) === undefined) throw blobUnknown(digest);
    const before = names.flatMap((name) => index.give({ ...image, name }, layout.now()) ?? []);
    return before.filter((target) => target.digest !== digest);
  }, signal);
}
