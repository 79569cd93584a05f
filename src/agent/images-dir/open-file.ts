import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { ArchiveInput } from '../../archive/archive.ts';
import { unreadable } from '../../archive/archive-errors.ts';
import { whyUnreadable } from '../../streams/read-small-file.ts';
import type { FoundFile } from './found-file.ts';

/**
 * A file of the directory as an archive's input, open until it is disposed of. A pipe or a device that has taken the
 * file's place since it was looked at is refused: opening it may not wait, and reading it may never end.
 * @throws ImgctlError `archive_unreadable`
 */
export async function openFile({
  path,
  at,
}: FoundFile): Promise<{ readonly input: ArchiveInput } & AsyncDisposable> {
  await using cleanup = new AsyncDisposableStack();
  try {
    const file = cleanup.use(await open(at, constants.O_RDONLY | constants.O_NONBLOCK));
    if (!(await file.stat()).isFile()) throw new Error('it is no regular file');
    const opened = cleanup.move();
    return {
      input: { kind: 'fd', fd: file.fd, label: path },
      [Symbol.asyncDispose]: () => opened.disposeAsync(),
    };
  } catch (cause) {
    const why = cause instanceof Error && !('code' in cause) ? cause.message : whyUnreadable(cause);
    throw unreadable(path, why, { hint: 'Check who may read the file.', cause });
  }
}
