import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, copyFile, lstat, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';

/** Files that are there whole or not at all, and are left alone where they are right already. */

/** Answers whether it had to write. */
export async function placeText(path: string, text: string, mode: number): Promise<boolean> {
  if ((await isFileWithMode(path, mode)) && (await readFile(path, 'utf8')) === text) return false;
  await viaTemporary(path, mode, async (temporary) => {
    await using file = await open(temporary, 'wx', mode);
    await file.writeFile(text);
    await file.sync();
  });
  return true;
}

/** As placeText, from a file, which may be the one that runs: renaming over it is allowed where writing is not. */
export async function placeCopy(source: string, path: string, mode: number): Promise<boolean> {
  const [from, to] = await Promise.all([stat(source), stat(path).catch(() => undefined)]);
  if (to !== undefined && from.ino === to.ino && from.dev === to.dev) return false;
  if (
    (await isFileWithMode(path, mode)) &&
    from.size === to?.size &&
    (await sha256Of(source)) === (await sha256Of(path))
  )
    return false;
  await viaTemporary(path, mode, async (temporary) => {
    await copyFile(source, temporary);
    await using file = await open(temporary, 'r+');
    await file.sync();
  });
  return true;
}

/** Lower-case hexadecimal. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), hash);
  return hash.digest('hex');
}

/** A directory that only its owner enters, however it was before. */
export async function makePrivateDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  await chmod(path, 0o700);
}

async function isFileWithMode(path: string, mode: number): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  return found?.isFile() === true && (found.mode & 0o777) === mode;
}

async function viaTemporary(
  path: string,
  mode: number,
  write: (temporary: string) => Promise<void>,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await write(temporary);
    await chmod(temporary, mode);
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}
