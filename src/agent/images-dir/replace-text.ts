import { randomBytes } from 'node:crypto';
import { open, readFile, rename, rm, stat } from 'node:fs/promises';

/** Whoever reads the file sees the old text or the new one, whole. */
export async function replaceText(path: string, text: string): Promise<void> {
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    {
      await using file = await open(draft, 'wx', 0o600);
      await file.writeFile(text);
      await file.datasync();
    }
    await rename(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
}

/** Far more than ten thousand files of images come to, in bytes. */
const maxBytes = 64 * 1024 * 1024;

/** Undefined where there is no such file, or one that cannot be what is wanted. */
export async function readText(path: string): Promise<string | undefined> {
  try {
    const stats = await stat(path);
    return stats.isFile() && stats.size <= maxBytes ? await readFile(path, 'utf8') : undefined;
  } catch {
    return undefined;
  }
}
