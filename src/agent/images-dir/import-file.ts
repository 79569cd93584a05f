import { errorFromWire } from '../../agent-api/errors.ts';
import { type ArchiveInput, openArchive } from '../../archive/archive.ts';
import { readArchiveHead } from '../../archive/archive-head.ts';
import { type OpenInput, openInput } from '../../archive/input.ts';
import { importArchiveStream } from '../../archive/stream-archive.ts';
import { ImgctlError } from '../../errors.ts';
import type { Digest } from '../../image/digest.ts';
import type { ImageSource, SourceImage } from '../../image/source.ts';
import type { ImportOptions } from '../../transfer/import.ts';
import { importArchive } from '../../transfer/import-archive.ts';
import type { BundleVerifier } from '../../trust/bundle-verifier.ts';
import { type ImportedImages, importSource } from '../import-source.ts';

/** How the images of the directory are brought, whatever they come from: every platform that is at hand, pinned. */
export const directoryRules = { pin: true, platforms: ['all'] };

/** A file of the directory, open until it is disposed of. */
export type OpenFile = () => Promise<{ readonly input: ArchiveInput } & AsyncDisposable>;

export interface ImportFileOptions {
  readonly imports: ImportOptions;
  /** Refuses what is not signed. */
  readonly verifier?: BundleVerifier | undefined;
}

export interface ImportedFile extends ImportedImages {
  /** Of images that the archive has without a name: they are left out, as K3s leaves them out. */
  readonly unnamed: readonly Digest[];
}

/**
 * Imports an archive. One that is not compressed is read in place, and of it only what the store lacks; of another the blobs
 * go in while it is decompressed, without a copy on disk.
 * @throws ImgctlError those of reading archives and of importing
 */
export async function importFile(
  open: OpenFile,
  { imports, verifier }: ImportFileOptions,
  signal: AbortSignal,
): Promise<ImportedFile> {
  await using opened = await open();
  await using input = await openInput(opened.input);
  const verifyIndex = verifier?.verify;
  if (isPlain(input)) {
    await using source = await openArchive(opened.input, { signal, unnamed: 'keep', verifyIndex });
    return await importPlain(source, imports, signal);
  }
  const { label } = input;
  let unnamed: readonly Digest[] = [];
  const events = importArchive(
    imports,
    {
      ...directoryRules,
      read: async (sink, stop) => {
        const options = { label, signal: stop, unnamed: 'keep', verifyIndex } as const;
        const archive = await importArchiveStream(input.stream, sink, options);
        const images = namedOf(archive.images, label);
        unnamed = unnamedOf(archive.images);
        return { ...archive, images };
      },
    },
    signal,
  );
  for await (const event of events) {
    if (event.type === 'done') return { images: event.images, unnamed };
    if (event.type === 'error') throw errorFromWire(event.error);
  }
  throw new ImgctlError('import_incomplete', `the import of ${label} broke off`);
}

/**
 * The images of an archive that need not be read for that: by its index where it is not compressed, else by its beginning,
 * where that says which they are. Undefined where only all of it tells.
 * @throws ImgctlError `signature_invalid`, and those of reading archives
 */
export async function imagesTold(
  open: OpenFile,
  verifier: BundleVerifier | undefined,
  signal: AbortSignal,
): Promise<readonly SourceImage[] | undefined> {
  await using opened = await open();
  await using input = await openInput(opened.input);
  const verifyIndex = verifier?.verify;
  if (!isPlain(input)) return await readArchiveHead(input.stream, { label: input.label, verifyIndex });
  await using archive = await openArchive(opened.input, { signal, unnamed: 'keep', verifyIndex });
  return archive.images;
}

export function unnamedOf(images: readonly SourceImage[]): readonly Digest[] {
  return images.flatMap(({ name, target }) => (name === undefined ? [target.digest] : []));
}

function isPlain(input: OpenInput): boolean {
  return input.kind === 'file' && input.compression === 'none';
}

async function importPlain(
  archive: ImageSource & { readonly label: string },
  options: ImportOptions,
  signal: AbortSignal,
): Promise<ImportedFile> {
  const source = withImages(archive, namedOf(archive.images, archive.label));
  // Several files may be read at once, and each blob in flight holds chunks of it
  const imported = await importSource(source, directoryRules, { ...options, concurrency: 1 }, signal);
  return { ...imported, unnamed: unnamedOf(archive.images) };
}

/** @throws ImgctlError `archive_unnamed` where none has a name */
function namedOf(images: readonly SourceImage[], label: string): readonly SourceImage[] {
  const named = images.filter(({ name }) => name !== undefined);
  if (named.length > 0) return named;
  throw unnamedImage(label, unnamedOf(images));
}

export function unnamedImage(label: string, digests: readonly Digest[]): ImgctlError {
  const what = digests.length === 1 ? 'an image' : `${digests.length} images`;
  return new ImgctlError('archive_unnamed', `${label} holds ${what} without a name, which is left out`, {
    hint: 'Save it with its name: docker save IMAGE:TAG',
    context: { path: label, digests },
  });
}

/** The same source with fewer images. */
function withImages(source: ImageSource, images: readonly SourceImage[]): ImageSource {
  if (images.length === source.images.length) return source;
  return {
    images,
    base: source.base,
    sizeOf: (digest) => source.sizeOf(digest),
    unpackedSizeOf: async (digest) => source.unpackedSizeOf?.(digest),
    read: (digest, offset, signal) => source.read(digest, offset, signal),
    [Symbol.asyncDispose]: async () => {},
  };
}
