import { randomBytes } from 'node:crypto';
import { link, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Small files that must be whole and in step: temporary file → fsync → name. */

export interface NewFile {
  readonly name: string;
  readonly text: string;
  /** Readable by its owner alone. */
  readonly secret: boolean;
}

/**
 * Gives the directory all of the files, or none: nothing is replaced. Where one is there already, also one that
 * somebody else made meanwhile, those before it go again. The last of the list tells that the set is whole.
 * @throws as `open` and `link` do: `EEXIST`, `EACCES`, `ENOSPC`
 */
export async function publishNew(dir: string, files: readonly NewFile[]): Promise<void> {
  const drafts = await writeDrafts(dir, files);
  const published: string[] = [];
  try {
    for (const { draft, path } of drafts) {
      await link(draft, path);
      published.push(path);
    }
    await syncDirectory(dir);
  } catch (error) {
    await Promise.all(published.map((path) => rm(path, { force: true })));
    throw error;
  } finally {
    await removeDrafts(drafts);
  }
}

/** Puts the files in place of those that are there, in their order; mode and owner stay what they were. */
export async function replaceFiles(dir: string, files: readonly NewFile[]): Promise<void> {
  const drafts = await writeDrafts(dir, files);
  try {
    for (const { draft, path } of drafts) {
      await keepOwner(draft, path);
      await rename(draft, path);
    }
    await syncDirectory(dir);
  } finally {
    await removeDrafts(drafts);
  }
}

interface Draft {
  readonly draft: string;
  readonly path: string;
}

/** All of them, before any is put in place: what a disk refuses, it refuses here. */
async function writeDrafts(dir: string, files: readonly NewFile[]): Promise<Draft[]> {
  const drafts: Draft[] = [];
  try {
    for (const { name, text, secret } of files) {
      const draft = join(dir, `.${name}.${process.pid}.${randomBytes(4).toString('hex')}`);
      await using file = await open(draft, 'wx', 0o600);
      drafts.push({ draft, path: join(dir, name) });
      await file.writeFile(text);
      if (!secret) await file.chmod(0o644);
      await file.sync();
    }
    return drafts;
  } catch (error) {
    await removeDrafts(drafts);
    throw error;
  }
}

async function removeDrafts(drafts: readonly Draft[]): Promise<void> {
  await Promise.all(drafts.map(({ draft }) => rm(draft, { force: true })));
}

/** A group that was given a secret by hand goes on reading it; everybody never. */
async function keepOwner(draft: string, path: string): Promise<void> {
  const [before, now] = await Promise.all([stat(path).catch(() => undefined), stat(draft)]);
  if (before === undefined) return;
  await using file = await open(draft, 'r');
  if (before.uid !== now.uid || before.gid !== now.gid) await file.chown(before.uid, before.gid);
  await file.chmod(now.mode | (before.mode & 0o040));
  await file.sync();
}

/** The names are on the disk too, not the bytes alone. */
async function syncDirectory(dir: string): Promise<void> {
  await using handle = await open(dir, 'r');
  await handle.sync();
}
