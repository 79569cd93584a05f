import { ImgctlError } from '../../errors.ts';
import type { Descriptor } from '../../image/descriptor.ts';
import { resolveGraph } from '../../image/graph.ts';
import type { Platform } from '../../image/platform.ts';
import type { ConfirmRequest } from '../store.ts';
import type { BlobFiles } from './blob-files.ts';
import type { Layout } from './layout.ts';
import { LayoutIndex } from './layout-index.ts';

/** Whether the name has that digest, and every blob is here in its right size. @throws ImgctlError `image_unverified` */
export async function confirm(
  { paths, blobs }: Layout,
  { name, target, runnable }: ConfirmRequest,
  platforms: readonly Platform[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const found = (await LayoutIndex.load(paths)).find(name)?.target.digest;
  if (found !== target.digest) throw unverified(name, `the name is of ${found ?? 'nothing'}`);
  const choice = runnable ? ({ kind: 'hosts', platforms } as const) : ({ kind: 'all' } as const);
  const graph = await resolveGraph(target, choice, async (descriptor) => {
    signal?.throwIfAborted();
    if (!(await isWhole(blobs, descriptor))) return undefined;
    return Buffer.concat(await Array.fromAsync(blobs.read(descriptor.digest, {}, signal)));
  }).catch((cause) => {
    signal?.throwIfAborted();
    throw unverified(name, 'its documents do not lead to an image', cause);
  });
  if (runnable) {
    for (const blob of graph.blobs) {
      if (!(await isWhole(blobs, blob))) throw unverified(name, `${blob.digest} is missing or damaged`);
    }
    return;
  }
  // Of an image that is only kept for others, some platform must be whole: which one is its importer's affair
  for (const { manifest } of graph.manifests) {
    const parts = await Promise.all(
      [manifest.config, ...manifest.layers].map((blob) => isWhole(blobs, blob)),
    );
    if (parts.every(Boolean)) return;
  }
  throw unverified(name, 'no platform of it is complete');
}

async function isWhole(blobs: BlobFiles, { digest, size }: Descriptor): Promise<boolean> {
  return (await blobs.sizeOf(digest)) === size;
}

function unverified(image: string, why: string, cause?: unknown): ImgctlError {
  return new ImgctlError('image_unverified', `${image} is not what was imported: ${why}`, {
    hint: 'Import it again: only what is missing is sent.',
    context: { image },
    cause,
  });
}
