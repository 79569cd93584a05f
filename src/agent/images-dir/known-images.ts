import { hasCode } from '../../errors.ts';
import type { Digest } from '../../image/digest.ts';
import type { FoundFile } from './found-file.ts';
import { areHeld, imagesNamed } from './held-images.ts';
import { imagesTold, type OpenFile, unnamedOf } from './import-file.ts';
import type { GivenImage } from './remembered.ts';
import { isSuperseded } from './rivals.ts';
import type { TakeFileOptions } from './take-file.ts';

export interface KnownImages {
  readonly images: readonly GivenImage[];
  /** Of images without a name. */
  readonly unnamed?: readonly Digest[] | undefined;
}

/**
 * What an archive gives, where that is known without reading its layers, and the store has all of it: from the agent's own
 * memory, K3s's, or the archive's index. Undefined: it has to be read.
 * @throws ImgctlError `signature_invalid`
 */
export async function imagesKnown(
  file: FoundFile,
  open: OpenFile,
  options: TakeFileOptions,
  signal: AbortSignal,
): Promise<KnownImages | undefined> {
  const { imports, remembered } = options;
  const known =
    remembered.fileOf(file.path, file.identity) ??
    (await fromCache(file, options, signal)) ??
    (await fromArchive(file, open, options, signal));
  if (known === undefined || known.images.length === 0) return undefined;
  // Another file has the other names
  const own = known.images.filter((image) => !isSuperseded(file, image, remembered));
  return own.length === 0 || (await areHeld(own, imports)) ? known : undefined;
}

async function fromCache(
  { path, identity }: FoundFile,
  { imports, remembered, cache, verifier }: TakeFileOptions,
  signal: AbortSignal,
): Promise<KnownImages | undefined> {
  if (verifier !== undefined || remembered.knows(path)) return undefined;
  const names = cache.imagesOf(path, identity);
  const images = names === undefined ? undefined : await imagesNamed(names, imports.store, signal);
  return images && { images };
}

async function fromArchive(
  { kind }: FoundFile,
  open: OpenFile,
  { verifier }: TakeFileOptions,
  signal: AbortSignal,
): Promise<KnownImages | undefined> {
  try {
    const images = kind === 'archive' ? await imagesTold(open, verifier, signal) : undefined;
    if (images === undefined) return undefined;
    const named = images.flatMap(({ name, target }) => (name === undefined ? [] : { name, target }));
    return { images: named, unnamed: unnamedOf(images) };
  } catch (error) {
    if (hasCode(error, 'signature_invalid')) throw error;
    // What is wrong with it is told when it is read
    return undefined;
  }
}
