import { randomBytes } from 'node:crypto';
import { close, constants, open, write } from 'node:fs';
import { statfs, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ImgctlError } from '../errors.ts';
import { chunkBytes } from '../streams/chunk-pool.ts';
import { PositionedFile } from './positioned-file.ts';

const openAsync = promisify(open);
const writeAsync = promisify(write);
const closeAsync = promisify(close);

/** `O_TMPFILE` of Linux: node:fs does not name it. It contains O_DIRECTORY, whose bit differs by architecture. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;

/** What an ordinary `open` says where the file system or kernel knows no O_TMPFILE (open(2)). */
const withoutTmpfile = new Set(['EOPNOTSUPP', 'EISDIR', 'EINVAL', 'ENOENT']);

/**
 * A temporary file without a name: the kernel frees it when the process ends, however it ends.
 * Pieces are gathered and written in the order of `append`, while the next are being made.
 */
export class Spool implements AsyncDisposable {
  readonly #fd: number;
  readonly #directory: string;
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  #size = 0;
  #writing: Promise<void> = Promise.resolve();
  #handedOver = false;

  private constructor(fd: number, directory: string) {
    this.#fd = fd;
    this.#directory = directory;
  }

  /**
   * @param atLeast bytes that are sure to be needed; checked against the free space beforehand
   * @throws ImgctlError `spool_full`, `usage` where the directory cannot be written to
   */
  static async open(directory: string = tmpdir(), atLeast = 0): Promise<Spool> {
    await checkSpace(directory, atLeast);
    try {
      return new Spool(await openNameless(directory), directory);
    } catch (cause) {
      throw unwritable(directory, cause);
    }
  }

  /** Bytes appended so far. */
  get size(): number {
    return this.#size;
  }

  /** Resolves when the next piece may come; holds up to 2 MiB. The bytes must not be changed afterwards. @throws ImgctlError `spool_full` */
  async append(bytes: Uint8Array): Promise<void> {
    this.#gathered.push(bytes);
    this.#gatheredBytes += bytes.byteLength;
    this.#size += bytes.byteLength;
    if (this.#gatheredBytes >= chunkBytes) await this.#flush();
  }

  /** All that was appended is in the file when it resolves. @throws ImgctlError `spool_full` */
  async flush(): Promise<void> {
    await this.#flush();
    await this.#writing;
  }

  /** What is in the file already, to be read by position; to be disposed of before this is, or before what `finish` gives. */
  reader(label: string): PositionedFile {
    return new PositionedFile(this.#fd, { label, size: 0, start: 0, owned: false });
  }

  /** The whole as a file to read, which now owns the descriptor. */
  async finish(label: string): Promise<PositionedFile> {
    await this.flush();
    this.#handedOver = true;
    return new PositionedFile(this.#fd, { label, size: this.#size, start: 0, owned: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#handedOver) return;
    this.#handedOver = true;
    await this.#writing.catch(() => undefined);
    await closeAsync(this.#fd);
  }

  async #flush(): Promise<void> {
    await this.#writing;
    const pieces = this.#gathered;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    this.#writing = this.#write(pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces));
    this.#writing.catch(() => undefined);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < bytes.byteLength; ) {
        done += (await writeAsync(this.#fd, bytes, done)).bytesWritten;
      }
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG')
        throw full(this.#directory, this.#size, cause);
      throw unwritable(this.#directory, cause);
    }
  }
}

async function openNameless(directory: string): Promise<number> {
  const flags = constants.O_RDWR;
  if (process.platform === 'linux') {
    try {
      return await openAsync(directory, flags | O_TMPFILE, 0o600);
    } catch (thrown) {
      if (!withoutTmpfile.has((thrown as NodeJS.ErrnoException).code ?? '')) throw thrown;
    }
  }
  const path = join(directory, `imgctl-${randomBytes(12).toString('hex')}`);
  const fd = await openAsync(path, flags | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    await unlink(path);
  } catch (thrown) {
    await closeAsync(fd);
    throw thrown;
  }
  return fd;
}

async function checkSpace(directory: string, needed: number): Promise<void> {
  if (needed === 0) return;
  // A directory that is not there fails with a better error when it is opened
  const space = await statfs(directory).catch(() => undefined);
  if (space !== undefined && space.bavail * space.bsize < needed) throw full(directory, needed);
}

function full(directory: string, needed: number, cause?: unknown): ImgctlError {
  return new ImgctlError(
    'spool_full',
    `there is no space for the archive in ${directory}: it takes ${needed} bytes or more`,
    {
      hint: 'Name a directory with more space with --spool-dir, or decompress the archive into a file: an uncompressed file is read in place.',
      context: { path: directory },
      cause,
    },
  );
}

function unwritable(directory: string, cause: unknown): ImgctlError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new ImgctlError('usage', `the archive cannot be spooled to ${directory}: ${why}`, {
    hint: 'Name a directory that can be written to with --spool-dir.',
    context: { path: directory },
    cause,
  });
}
