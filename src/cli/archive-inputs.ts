import { fstatSync } from 'node:fs';
import type { ArchiveInput } from '../archive/archive.ts';
import { ImgctlError } from '../errors.ts';
import type { InputStream } from './context.ts';

const standardInput = 'standard input';

/**
 * Where the archives come from: files, and `-` for standard input. A regular file there is read in place.
 * @throws ImgctlError `no_archive` for a terminal, `usage` for standard input twice
 */
export function archiveInputs(files: readonly string[], stdin: () => InputStream): ArchiveInput[] {
  const names = files.length === 0 ? ['-'] : files;
  if (names.filter((name) => name === '-').length > 1) {
    throw new ImgctlError('usage', 'standard input (-) is named twice', {
      hint: 'It can be read once only.',
    });
  }
  return names.map((path) => (path === '-' ? fromStandardInput(stdin()) : { kind: 'path', path }));
}

function fromStandardInput(stdin: InputStream): ArchiveInput {
  if (stdin.isTTY) {
    throw new ImgctlError('no_archive', 'no archive: standard input is a terminal', {
      hint: 'Name a file, or write an archive to standard input: imgctl images import < bundle.tar',
    });
  }
  const { fd } = stdin;
  return fd !== undefined && isRegularFile(fd)
    ? { kind: 'fd', fd, label: standardInput }
    : { kind: 'stream', stream: stdin, label: standardInput };
}

function isRegularFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile();
  } catch {
    return false;
  }
}
