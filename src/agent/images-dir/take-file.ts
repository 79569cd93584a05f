import { stat } from 'node:fs/promises';
import { errorToWire } from '../../agent-api/errors.ts';
import { unreadable } from '../../archive/archive-errors.ts';
import { printable } from '../../errors.ts';
import { readSmallFile, whyUnreadable } from '../../streams/read-small-file.ts';
import type { ImportOptions } from '../../transfer/import.ts';
import type { BundleVerifier } from '../../trust/bundle-verifier.ts';
import type { Log } from '../log.ts';
import type { BackOff } from './back-off.ts';
import type { FileEntry } from './file-entry.ts';
import { type FoundFile, identityOf, isSameFile } from './found-file.ts';
import { imagesNamed } from './held-images.ts';
import { parseImageList } from './image-list.ts';
import { importFile, type OpenFile, unnamedImage } from './import-file.ts';
import type { K3sCache } from './k3s-cache.ts';
import { imagesKnown, type KnownImages } from './known-images.ts';
import { openFile } from './open-file.ts';
import { openGroup, type PartGroup, partGroup } from './parts.ts';
import { type Pull, pullList } from './pull-list.ts';
import type { GivenImage, Remembered } from './remembered.ts';
import { readListSignature } from './signed-list.ts';

export interface TakeFileOptions {
  readonly imports: ImportOptions;
  readonly pull: Pull;
  readonly backOff: BackOff;
  readonly remembered: Remembered;
  readonly cache: K3sCache;
  readonly log: Log;
  /** Refuses what is not signed. */
  readonly verifier?: BundleVerifier | undefined;
  /** The files of the directory that are whole. */
  readonly wholeFiles: () => readonly FoundFile[];
}

export type Taken =
  /** `read`: the file had to be. `whole`: nothing that another try could bring is missing. */
  | { readonly given: readonly GivenImage[]; readonly read: boolean; readonly whole: boolean }
  /** It is a part of a bundle, which is imported in the name of another part, or lacks some. */
  | { readonly partOf: PartGroup };

/**
 * Sees to it that the store has the images of a file, and keeps in mind which they are. The entry tells what becomes
 * of each.
 * @throws ImgctlError where there is nothing to be had of the file
 */
export async function takeFile(
  entry: FileEntry,
  options: TakeFileOptions,
  signal: AbortSignal,
): Promise<Taken> {
  const { file } = entry;
  let open: OpenFile = () => openFile(file);
  if (file.kind === 'archive') {
    const group = await partGroup(file, options.wholeFiles);
    if (group !== undefined) {
      if (group.waitsFor !== undefined || group.leader.path !== file.path) return { partOf: group };
      entry.parts = group.files.map(({ path }) => path);
      open = openGroup(group);
    }
    const known = await imagesKnown(file, open, options, signal);
    if (known !== undefined) {
      tell(entry, known);
      keepInMind(file, known, options);
      return { given: known.images, read: false, whole: true };
    }
  }
  let given: KnownImages | undefined;
  let whole = false;
  try {
    given = await (file.kind === 'list'
      ? takeList(entry, options, signal)
      : takeArchive(entry, open, options, signal));
  } finally {
    // A file that changed while it was read is read again: what is kept in mind of it is what may have to be unpinned
    whole =
      given !== undefined &&
      entry.errors.every(({ code }) => code === 'archive_unnamed') &&
      (await isStill(file));
    const images = given?.images ?? [];
    if (whole) keepInMind(file, given ?? { images }, options);
    else {
      options.remembered.mayHaveGiven(file.path, images);
      options.cache.delete(file.path);
    }
  }
  return { given: given.images, read: true, whole };
}

function tell(entry: FileEntry, { images, unnamed = [] }: KnownImages): void {
  for (const { name, target } of images) entry.set({ name, digest: target.digest, state: 'ready' });
  for (const digest of unnamed) {
    const error = errorToWire(unnamedImage(entry.file.path, [digest]));
    entry.set({ name: digest, digest, state: 'failed', error });
  }
}

async function takeArchive(
  entry: FileEntry,
  open: OpenFile,
  options: TakeFileOptions,
  signal: AbortSignal,
): Promise<KnownImages> {
  const { imports, log } = options;
  const file = printable(entry.file.path);
  log.info({ file }, `Importing images from ${file}`);
  const ready: string[] = [];
  const { images, unnamed, error: whole } = await importFile(open, options, signal);
  entry.error = whole;
  for (const { name, digest, state, unchanged, error } of images) {
    const isReady = state === 'ready';
    entry.set({
      name,
      digest,
      state: isReady ? 'ready' : 'failed',
      ...(error === undefined ? {} : { error }),
    });
    if (!isReady) continue;
    ready.push(name);
    if (unchanged !== true) log.info({ file, image: name, digest }, `Imported ${name}`);
  }
  tell(entry, { images: [], unnamed });
  return { images: (await imagesNamed(ready, imports.store, signal)) ?? [], unnamed };
}

async function takeList(
  entry: FileEntry,
  options: TakeFileOptions,
  signal: AbortSignal,
): Promise<KnownImages> {
  const { log, verifier } = options;
  const path = printable(entry.file.path);
  const text = await readList(entry.file);
  if (verifier !== undefined) {
    const signature = await readListSignature(entry.file);
    verifier.verifyContent(Buffer.from(text), signature, path);
  }
  log.info({ file: path }, `Pulling images from ${path}`);
  const images = parseImageList(text);
  for (const { name } of images) entry.set({ name, state: 'waiting' });
  return { images: await pullList(images, { ...options, onImage: (image) => entry.set(image) }, signal) };
}

async function readList({ path, at }: FoundFile): Promise<string> {
  try {
    return await readSmallFile(at);
  } catch (cause) {
    throw unreadable(path, whyUnreadable(cause), {
      hint: 'A list of images is a small text file that the agent may read: one reference a line.',
      cause,
    });
  }
}

async function isStill({ at, identity }: FoundFile): Promise<boolean> {
  const stats = await stat(at, { bigint: true }).catch(() => undefined);
  return stats !== undefined && isSameFile(identityOf(stats), identity);
}

function keepInMind(
  { path, identity }: FoundFile,
  { images, unnamed = [] }: KnownImages,
  { remembered, cache, verifier }: TakeFileOptions,
): void {
  remembered.remember(path, {
    identity,
    came: identity.changedNs,
    images: [...images],
    ...(unnamed.length === 0 ? {} : { unnamed: [...unnamed] }),
    ...(verifier === undefined ? {} : { key: verifier.id }),
  });
  const names = images.map(({ name }) => name);
  cache.set(path, identity, names);
}
