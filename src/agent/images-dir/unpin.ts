import type { Store } from '../../store/store.ts';
import { namesOf } from './givers.ts';
import type { GivenImage } from './remembered.ts';

/** The mark of K3s, by which it finds what an images directory pinned, and takes the pins off that others set not. */
export const directoryLabel = 'io.cattle.k3s.pinned';

export const directoryLabels: Readonly<Record<string, string>> = { [directoryLabel]: 'pinned' };

export interface Unpinning {
  readonly store: Store;
  readonly signal: AbortSignal;
  /** Told of each name before it is unpinned. */
  readonly onUnpin: (name: string) => void;
}

/**
 * Leaves these images to the kubelet's garbage collection, under both of their names; but for names that are kept,
 * that name another image by now, or that somebody else pinned. Answers the names.
 */
export async function unpin(
  images: readonly GivenImage[],
  isKept: (name: string) => boolean,
  { store, signal, onUnpin }: Unpinning,
): Promise<readonly string[]> {
  const unpinned: string[] = [];
  for (const given of images) {
    for (const name of namesOf(given)) {
      const image = isKept(name) ? undefined : await store.getImage(name, signal);
      if (image?.target.digest !== given.target.digest || image.labels[directoryLabel] !== 'pinned') continue;
      onUnpin(name);
      await store.tagImage(
        { name, target: image.target, pin: false, labels: { [directoryLabel]: undefined } },
        signal,
      );
      unpinned.push(name);
    }
  }
  return unpinned;
}
