import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';

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
