import { constants, type PathLike } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** More than any chain of certificates or token needs. */
const limit = 1 << 20;

export class FileTooLargeError extends Error {
  override readonly name = 'FileTooLargeError';
  readonly code = 'EFBIG';
}

/** A pipe that nobody writes to is given up after so long, in milliseconds. */
const pipePatienceMs = 5_000;
const pipePollMs = 20;

/**
 * A file that must be small, as text: one that has no end, such as `/dev/zero`, is refused after a mebibyte. Pipes
 * are read too: secrets come out of `<(…)`. One without a writer would block `open` for ever, beyond any signal: so it is
 * opened without waiting, and asked now and then. @throws FileTooLargeError, `ETIMEDOUT`, or as `open` and `read` do
 */
export async function readSmallFile(path: PathLike): Promise<string> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const isPipe = (await file.stat()).isFIFO();
  const chunks: Buffer[] = [];
  let size = 0;
  for (let waitedMs = 0; ; ) {
    const { bytesRead, buffer } = await readSome(file);
    if (bytesRead > 0) {
      chunks.push(buffer.subarray(0, bytesRead));
      size += bytesRead;
      if (size > limit) throw new FileTooLargeError(`${String(path)} is larger than ${limit} bytes`);
    } else if (bytesRead === 0 && (!isPipe || size > 0)) return Buffer.concat(chunks).toString('utf8');
    else if (waitedMs >= pipePatienceMs)
      throw Object.assign(new Error(`nobody writes to ${String(path)}`), { code: 'ETIMEDOUT' });
    else {
      await sleep(pipePollMs);
      waitedMs += pipePollMs;
    }
  }
}

/** -1: nothing yet. */
async function readSome(file: FileHandle): Promise<{ readonly bytesRead: number; readonly buffer: Buffer }> {
  const buffer = Buffer.alloc(64 * 1024);
  try {
    return await file.read(buffer, 0, buffer.byteLength, null);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return { bytesRead: -1, buffer };
    throw error;
  }
}

/** Why a file could not be read, for a person. */
export function whyUnreadable(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'ENOENT') return 'it does not exist';
  if (code === 'EACCES' || code === 'EPERM') return 'this user may not';
  if (code === 'EISDIR') return 'it is a directory';
  if (code === 'ENOTDIR') return 'what should be its directory is a file';
  if (code === 'ETIMEDOUT') return 'it is a pipe, and nobody writes to it';
  if (code === 'EFBIG') return 'it is far too large';
  return String(code ?? cause);
}
