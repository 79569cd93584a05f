import { close, constants, createReadStream, fstat, open, readFileSync, type Stats } from 'node:fs';
import { Socket } from 'node:net';
import { isatty } from 'node:tty';
import { promisify } from 'node:util';
import { ImgctlError } from '../errors.ts';
import { chunkBytes } from '../streams/chunk-pool.ts';
import { unreadable } from './archive-errors.ts';
import { type Compression, detectCompression, magicBytes } from './compression.ts';
import { PositionedFile } from './positioned-file.ts';

const openAsync = promisify(open);
const closeAsync = promisify(close);
const fstatAsync = promisify(fstat);

/**
 * Where an archive comes from; `label` is what to call it in messages.
 * The descriptor of a regular file stays open; that of a pipe is used up, and closed with the archive.
 */
export type ArchiveInput =
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'fd'; readonly fd: number; readonly label: string }
  | { readonly kind: 'stream'; readonly stream: AsyncIterable<Uint8Array>; readonly label: string };

/** A regular file can be read at any place; anything else flows by once. `stream`: its bytes from the first on. */
export type OpenInput = AsyncDisposable & {
  readonly label: string;
  readonly stream: AsyncIterable<Uint8Array>;
} & (
    | { readonly kind: 'file'; readonly file: PositionedFile; readonly compression: Compression }
    | { readonly kind: 'stream' }
  );

/** @throws ImgctlError `no_archive`, `archive_unreadable` */
export async function openInput(input: ArchiveInput): Promise<OpenInput> {
  if (input.kind === 'stream') {
    return {
      kind: 'stream',
      label: input.label,
      stream: input.stream,
      [Symbol.asyncDispose]: async () => {},
    };
  }
  if (input.kind === 'fd') return openDescriptor(input.fd, { label: input.label, owned: false });
  return openDescriptor(await openPath(input.path), { label: input.path, owned: true });
}

async function openPath(path: string): Promise<number> {
  try {
    return await openAsync(path, constants.O_RDONLY);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new ImgctlError('no_archive', `there is no file ${path}`, {
        hint: 'Check the path; - is standard input.',
        context: { path },
        cause,
      });
    }
    throw unreadable(path, message, { hint: 'Check who may read the file.', cause });
  }
}

async function openDescriptor(
  fd: number,
  { label, owned }: { label: string; owned: boolean },
): Promise<OpenInput> {
  await using cleanup = new AsyncDisposableStack();
  if (owned) cleanup.defer(() => closeAsync(fd));
  const stats = await statDescriptor(fd, label);
  if (!stats.isFile()) {
    cleanup.move();
    return openPipe(fd, stats, { label, owned });
  }
  const start = owned ? 0 : filePosition(fd);
  const file = new PositionedFile(fd, { label, size: Math.max(0, stats.size - start), start, owned });
  const head = Buffer.alloc(Math.min(magicBytes, file.size));
  await file.readInto(head, 0);
  cleanup.move();
  const compression = detectCompression(head);
  const stream = file.chunks(0, file.size);
  return {
    kind: 'file',
    label,
    file,
    compression,
    stream,
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  };
}

async function statDescriptor(fd: number, label: string): Promise<Stats> {
  const stats = await fstatAsync(fd).catch((cause: NodeJS.ErrnoException) => {
    throw new ImgctlError('no_archive', `${label} is closed`, {
      hint: 'Name an archive, or write one to standard input: imgctl images import < ARCHIVE',
      cause,
    });
  });
  if (stats.isDirectory()) {
    throw unreadable(label, 'it is a directory', {
      hint: `If it is an OCI image layout, pack it on the way: tar -C ${label} -cf - . | imgctl images import`,
    });
  }
  if (isatty(fd)) {
    throw new ImgctlError('no_archive', `${label} is a terminal, not an archive`, {
      hint: 'Name an archive, or write one to standard input: imgctl images import < ARCHIVE',
    });
  }
  return stats;
}

/**
 * Where a shared descriptor stands: in `(read line; imgctl images import) < file` the shell took the first line, and
 * the archive begins behind it. Only Linux tells without moving it; elsewhere the file is read from its beginning.
 */
function filePosition(fd: number): number {
  try {
    const position = /^pos:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1];
    return Number(position ?? 0);
  } catch {
    return 0;
  }
}

/** A pipe or socket is read without blocking a thread, so that an interrupted read does not hold the process. */
function openPipe(fd: number, stats: Stats, { label, owned }: { label: string; owned: boolean }): OpenInput {
  const readable =
    fd === 0
      ? process.stdin
      : stats.isFIFO() || stats.isSocket()
        ? new Socket({ fd, readable: true, writable: false })
        : createReadStream('', { fd, autoClose: owned, highWaterMark: chunkBytes });
  return {
    kind: 'stream',
    label,
    stream: readable,
    [Symbol.asyncDispose]: async () => {
      readable.destroy();
    },
  };
}
