import { ImgctlError } from '../../errors.ts';
import { resolveGraph } from '../../image/graph.ts';
import type { Platform } from '../../image/platform.ts';
import type { ConfirmRequest } from '../store.ts';
import type { MemoryState } from './memory-state.ts';

/** @throws ImgctlError `image_unverified` */
export async function confirm(
  { name, target, runnable }: ConfirmRequest,
  { images, blobs, snapshots }: MemoryState,
  platforms: readonly Platform[],
): Promise<void> {
  const found = images.get(name)?.target.digest;
  if (found !== target.digest) throw unverified(name, `the name is of ${found ?? 'nothing'}`);
  const choice = runnable ? ({ kind: 'hosts', platforms } as const) : ({ kind: 'all' } as const);
  const graph = await resolveGraph(target, choice, async ({ digest }) => blobs.get(digest)).catch((cause) => {
    throw unverified(name, 'its documents do not lead to an image', cause);
  });
  const unpacked = new Set(
    graph.manifests.flatMap(({ layers }) =>
      layers.filter(({ chainId }) => snapshots.has(chainId)).map(({ descriptor }) => descriptor.digest),
    ),
  );
  const isHere = (digest: (typeof target)['digest']) => blobs.has(digest) || unpacked.has(digest);
  // Of an image that is only kept for others, some platform must be whole: which one is its importer's affair
  const complete = runnable
    ? graph.blobs.every(({ digest }) => isHere(digest))
    : graph.manifests.some(({ manifest: { config, layers } }) =>
        [config, ...layers].every(({ digest }) => isHere(digest)),
      );
  if (!complete) throw unverified(name, 'parts of it are missing');
}

function unverified(image: string, why: string, cause?: unknown): ImgctlError {
  return new ImgctlError('image_unverified', `${image} is not what was imported: ${why}`, {
    hint: 'Import it again.',
    context: { image },
    cause,
  });
}
