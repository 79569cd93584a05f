import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { ImgctlError } from '../../errors.ts';
import { whyUnreadable } from '../../streams/read-small-file.ts';
import { fileKind } from './file-kinds.ts';
import { type FoundFile, identityOf, inodeOf } from './found-file.ts';
import { type NativePath, nativePath, pathText, shownName } from './native-path.ts';

export interface Scanned {
  readonly files: ReadonlyMap<string, FoundFile>;
  /** Those that could be read, the images directory among them. */
  readonly directories: readonly FoundDirectory[];
  /** Those that could not, and files: of them, and of what is in them, nothing is known. */
  readonly unread: readonly string[];
  readonly error?: ImgctlError | undefined;
}

/** One that was removed and made anew, or mounted over, is another one of the same name. */
export interface FoundDirectory {
  readonly at: NativePath;
  readonly inode: string;
}

/** Bounds of what is looked at: an images directory that holds more is a mistake, such as `/`. */
const maxFiles = 10_000;
const maxDirectories = 1_000;

/** Of a file that was deleted meanwhile, and links that lead nowhere or in circles. */
const nowhere: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP']);

/**
 * Lists archives and lists of images in a directory and those below it. Links to files are followed, links to
 * directories are not: they may lead in circles. Never rejects.
 */
export async function scan(directory: string): Promise<Scanned> {
  const files = new Map<string, FoundFile>();
  const directories: FoundDirectory[] = [];
  const unread: string[] = [];
  let error: ImgctlError | undefined;
  const waiting: NativePath[] = [directory];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    let entries: Dirent<Buffer>[];
    let inode: string;
    try {
      inode = inodeOf(await stat(next, { bigint: true }));
      entries = await readdir(next, { withFileTypes: true, encoding: 'buffer' });
    } catch (cause) {
      // What is below a directory that was removed is gone; the directory itself may be a volume that is not there yet
      if (next !== directory && (cause as NodeJS.ErrnoException).code === 'ENOENT') continue;
      unread.push(pathText(next));
      error ??= unreadable(pathText(next), cause);
      continue;
    }
    directories.push({ at: next, inode });
    for (const entry of entries.toSorted((a, b) => Buffer.compare(a.name, b.name))) {
      const at = nativePath(next, entry.name);
      if (entry.isDirectory()) waiting.push(at);
      const kind = entry.isDirectory() ? undefined : fileKind(shownName(entry.name));
      if (kind === undefined) continue;
      const path = pathText(at);
      const stats = await stat(at, { bigint: true }).catch((cause: NodeJS.ErrnoException) => {
        if (nowhere.has(cause.code)) return undefined;
        // It may be there all the same: a disk or a server that is away does not say so
        unread.push(path);
        error ??= unreadable(path, cause);
        return undefined;
      });
      if (!stats?.isFile()) continue;
      files.set(path, { path, at, kind, identity: identityOf(stats), inode: inodeOf(stats) });
    }
    if (files.size > maxFiles || directories.length + waiting.length > maxDirectories) {
      unread.push(directory);
      error = tooMuch(directory);
      break;
    }
  }
  return { files, directories, unread, error };
}

function unreadable(path: string, cause: unknown): ImgctlError {
  return new ImgctlError('config_invalid', `${path} cannot be read: ${whyUnreadable(cause)}`, {
    hint: 'See that it is there and that the agent may read it; it is looked at again and again.',
    context: { path },
    cause,
  });
}

function tooMuch(directory: string): ImgctlError {
  return new ImgctlError(
    'config_invalid',
    `${directory} holds more than ${maxFiles} files of images, or ${maxDirectories} directories`,
    {
      hint: 'Name a directory with --images-dir that holds archives of images and nothing else.',
      context: { path: directory },
    },
  );
}
