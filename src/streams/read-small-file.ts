import { open } from 'node:fs/promises';

/** More than any chain of certificates or token needs. */
const limit = 1 << 20;

export class FileTooLargeError extends Error {
  override readonly name = 'FileTooLargeError';
  readonly code = 'EFBIG';
}

/**
 * A file that must be small, as text: one that has no end, such as `/dev/zero`, is refused after a mebibyte. Pipes
 * are read too: secrets come out of `<(…)`. @throws FileTooLargeError, or as `open` and `read` do
 */
export async function readSmallFile(path: string): Promise<string> {
  await using file = await open(path, 'r');
  const chunks: Buffer[] = [];
  let size = 0;
  for (;;) {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(64 * 1024), 0, 64 * 1024, null);
    if (bytesRead === 0) return Buffer.concat(chunks).toString('utf8');
    chunks.push(buffer.subarray(0, bytesRead));
    size += bytesRead;
    if (size > limit) throw new FileTooLargeError(`${path} is larger than ${limit} bytes`);
  }
}

/** Why a file could not be read, for a person. */
export function whyUnreadable(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'ENOENT') return 'it does not exist';
  if (code === 'EACCES' || code === 'EPERM') return 'this user may not';
  if (code === 'EISDIR') return 'it is a directory';
  if (code === 'ENOTDIR') return 'what should be its directory is a file';
  if (code === 'EFBIG') return 'it is far too large';
  return String(code ?? cause);
}
