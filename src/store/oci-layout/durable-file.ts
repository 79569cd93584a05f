import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Puts `content` in place of the file: whoever reads sees the old or the new one whole, also after a power cut.
 * `scratch` is on the same file system, and nobody else's for the time.
 */
export async function replaceFile(path: string, content: string, scratch: string): Promise<void> {
  try {
    {
      await using file = await open(scratch, 'w', 0o644);
      await file.writeFile(content);
      await file.datasync();
    }
    await rename(scratch, path);
  } catch (error) {
    await rm(scratch, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** A rename is durable only once its directory is. */
export async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, 'r');
  await directory.sync();
}
