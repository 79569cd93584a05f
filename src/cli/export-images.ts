import type { Writable } from 'node:stream';
import { writeArchive } from '../archive/write-archive.ts';
import { hasCode, ImgctlError } from '../errors.ts';
import type { Descriptor } from '../image/descriptor.ts';
import { type ImageGraph, resolveGraph } from '../image/graph.ts';
import { parsePlatform } from '../image/platform.ts';
import type { PlatformChoice } from '../image/platform-choice.ts';
import { readDocument } from '../image/read-document.ts';
import { formatReference, parseReference } from '../image/reference.ts';
import type { Store, StoredImage } from '../store/store.ts';
import { existingImage } from './existing-image.ts';
import type { PlatformOptions } from './options.ts';

export interface ExportOptions {
  readonly platforms: PlatformOptions;
  readonly output: Writable;
  readonly signal: AbortSignal;
  readonly onBytes: (bytes: number, total: number) => void;
}

/**
 * Copies images of a store into an archive. Everything is looked up before the first byte is written.
 * @throws ImgctlError `image_unknown`, `platform_missing`, `blob_unknown` where the store keeps no layers
 */
export async function exportImages(
  store: Store,
  refs: readonly string[],
  { platforms, output, signal, onBytes }: ExportOptions,
): Promise<{ images: string; bytes: number }> {
  const choice = await choiceOf(platforms, store, signal);
  const names = [...new Set(refs.map((ref) => formatReference(parseReference(ref))))];
  const stored = await Promise.all(names.map((name) => existingImage(store, name, signal)));
  const byTarget = Map.groupBy(stored, ({ target }) => target.digest);
  const images: { names: string[]; graph: ImageGraph }[] = [];
  for (const [first, ...others] of byTarget.values()) {
    if (first === undefined) continue;
    const graph = await graphOf(first, choice, store, signal);
    images.push({ names: [first, ...others].map(({ name }) => name), graph });
  }
  const blobs = new Map(
    images.flatMap(({ graph }) => graph.blobs.map(({ digest, size }) => [digest, size] as const)),
  );
  const bytes = [...blobs.values()].reduce((sum, size) => sum + size, 0);
  try {
    await writeArchive(images, output, {
      read: (digest) => store.read(digest, {}, signal),
      signal,
      onBytes: (written) => onBytes(written, bytes),
    });
  } catch (error) {
    throw ofOutput(error, output);
  }
  return { images: names.join(', '), bytes };
}

async function choiceOf(
  { platform, allPlatforms }: PlatformOptions,
  store: Store,
  signal: AbortSignal,
): Promise<PlatformChoice> {
  if (allPlatforms) return { kind: 'all' };
  if (platform !== undefined) return { kind: 'named', platforms: platform.map(parsePlatform) };
  return { kind: 'hosts', platforms: (await store.info(signal)).platforms };
}

async function graphOf(
  { name, target }: StoredImage,
  choice: PlatformChoice,
  store: Store,
  signal: AbortSignal,
): Promise<ImageGraph> {
  const source = {
    sizeOf: () => undefined,
    read: (digest: Descriptor['digest'], offset: number, stop?: AbortSignal) =>
      store.read(digest, { offset }, stop),
  };
  const graph = await resolveGraph(target, choice, async (descriptor) => {
    try {
      return await readDocument(source, descriptor, signal);
    } catch (error) {
      if (hasCode(error, 'blob_unknown')) return undefined;
      throw error;
    }
  });
  const there = await store.sizesOf(
    graph.blobs.map(({ digest }) => digest),
    signal,
  );
  const absent = graph.blobs.find(({ digest }) => !there.has(digest));
  if (absent === undefined) return graph;
  throw new ImgctlError('blob_unknown', `${absent.digest} of ${name} is not in the store`, {
    hint: 'This containerd does not keep the layers of unpacked images (discard_unpacked_layers), or the image was imported for another platform: export it where it was built.',
    context: { image: name, digest: absent.digest },
  });
}

/** An error of the archive's reader, which is gone, or of its disk, which is full, as ours; any other as it is. */
export function ofOutput(error: unknown, output: Writable): unknown {
  // A standard output that breaks does not keep its error
  const broken = error instanceof Error && (error === output.errored || isOfWriting(error));
  return broken ? unwritable(error) : error;
}

function isOfWriting(error: NodeJS.ErrnoException): boolean {
  const { code = '', syscall } = error;
  return code === 'EPIPE' || (syscall === 'write' && ['ENOSPC', 'EDQUOT', 'EIO'].includes(code));
}

function unwritable(cause: Error): ImgctlError {
  const gone = 'code' in cause && cause.code === 'EPIPE';
  return new ImgctlError(
    'output_failed',
    `the archive cannot be written: ${gone ? 'nobody reads it' : cause.message}`,
    {
      hint: gone
        ? 'See why the command that reads it ended.'
        : 'Make room there, or name a file elsewhere: nothing of it was kept.',
      cause,
    },
  );
}
