import { stat } from 'node:fs/promises';
import { ImgctlError, toImgctlError } from '../../errors.ts';
import { readSmallFile, whyUnreadable } from '../../streams/read-small-file.ts';
import type { ImportOptions } from '../../transfer/import.ts';
import type { Log } from '../log.ts';
import type { BackOff } from './back-off.ts';
import type { FileEntry } from './file-entry.ts';
import { type FoundFile, identityOf, isSameFile } from './found-file.ts';
import { areHeld, imagesNamed } from './held-images.ts';
import { parseImageList } from './image-list.ts';
import { importFile } from './import-file.ts';
import type { K3sCache } from './k3s-cache.ts';
import { type Pull, pullList } from './pull-list.ts';
import type { GivenImage, Remembered } from './remembered.ts';

export interface TakeFileOptions {
  readonly imports: ImportOptions;
  readonly pull: Pull;
  readonly backOff: BackOff;
  readonly remembered: Remembered;
  readonly cache: K3sCache;
  readonly log: Log;
}

/**
 * Sees to it that the store has the images of a file, and keeps in mind which they are. The entry tells what becomes
 * of each. Answers those that the store has, and whether the file had to be read for that.
 * @throws ImgctlError where there is nothing to be had of the file
 */
export async function takeFile(
  entry: FileEntry,
  options: TakeFileOptions,
  signal: AbortSignal,
): Promise<{ readonly given: readonly GivenImage[]; readonly read: boolean }> {
  const { file } = entry;
  const before = options.remembered.lastImagesOf(file.path);
  const known = file.kind === 'list' ? undefined : await knownImages(file, options, signal);
  if (known !== undefined) {
    for (const { name, target } of known) entry.set({ name, digest: target.digest, state: 'ready' });
    await keepInMind(file, known, true, options);
    return { given: known, read: false };
  }
  let given: readonly GivenImage[] | undefined;
  try {
    given = await (file.kind === 'list' ? takeList : takeArchive)(entry, options, signal);
  } finally {
    // A file that changed while it was read is read again: what is kept in mind of it is what may have to be unpinned
    const whole = given !== undefined && !entry.failed && (await isStill(file));
    const kept = whole ? (given ?? []) : eachOnce([...before, ...(given ?? [])]);
    await keepInMind(file, kept, whole, options);
  }
  return { given, read: true };
}

/** What the file gave, where that is known without reading it, and the store still has all of it. */
async function knownImages(
  { path, identity }: FoundFile,
  { imports, remembered, cache }: TakeFileOptions,
  signal: AbortSignal,
): Promise<readonly GivenImage[] | undefined> {
  const names = remembered.knows(path) ? undefined : cache.imagesOf(path, identity);
  const known =
    remembered.imagesOf(path, identity) ??
    (names === undefined ? undefined : await imagesNamed(names, imports.store, signal));
  return known !== undefined && (await areHeld(known, imports)) ? known : undefined;
}

async function takeArchive(
  entry: FileEntry,
  { imports, log }: TakeFileOptions,
  signal: AbortSignal,
): Promise<readonly GivenImage[]> {
  const { path } = entry.file;
  log.info({ file: path }, `Importing images from ${path}`);
  const ready: string[] = [];
  for (const { name, digest, state, unchanged, error } of await importFile(path, imports, signal)) {
    const isReady = state === 'ready';
    entry.set({
      name,
      digest,
      state: isReady ? 'ready' : 'failed',
      ...(error === undefined ? {} : { error }),
    });
    if (!isReady) continue;
    ready.push(name);
    if (unchanged !== true) log.info({ file: path, image: name, digest }, `Imported ${name}`);
  }
  return (await imagesNamed(ready, imports.store, signal)) ?? [];
}

async function takeList(
  entry: FileEntry,
  options: TakeFileOptions,
  signal: AbortSignal,
): Promise<readonly GivenImage[]> {
  const { path } = entry.file;
  options.log.info({ file: path }, `Pulling images from ${path}`);
  const images = parseImageList(await readList(path));
  for (const { name } of images) entry.set({ name, state: 'waiting' });
  return pullList(images, { ...options, onImage: (image) => entry.set(image) }, signal);
}

async function readList(path: string): Promise<string> {
  try {
    return await readSmallFile(path);
  } catch (cause) {
    throw new ImgctlError('archive_unreadable', `${path} cannot be read: ${whyUnreadable(cause)}`, {
      hint: 'A list of images is a small text file that the agent may read: one reference a line.',
      context: { path },
      cause,
    });
  }
}

function eachOnce(images: readonly GivenImage[]): readonly GivenImage[] {
  return [...new Map(images.map((image) => [`${image.name} ${image.target.digest}`, image])).values()];
}

async function isStill({ path, identity }: FoundFile): Promise<boolean> {
  const stats = await stat(path, { bigint: true }).catch(() => undefined);
  return stats !== undefined && isSameFile(identityOf(stats), identity);
}

/** What cannot be kept in mind costs reading the file again, and nothing else. */
async function keepInMind(
  { path, identity }: FoundFile,
  images: readonly GivenImage[],
  whole: boolean,
  { remembered, cache, log }: TakeFileOptions,
): Promise<void> {
  try {
    await remembered.remember(path, images, whole ? identity : undefined);
    if (whole)
      await cache.set(
        path,
        identity,
        images.map(({ name }) => name),
      );
    else await cache.delete(path);
  } catch (thrown) {
    log.warn(
      { file: path, message: toImgctlError(thrown).message },
      'it is not remembered what this file gave',
    );
  }
}
