import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { encodePartHead, partHeadBytes } from '../archive/part-head.ts';
import { ImgctlError } from '../errors.ts';
import type { Digest } from '../image/digest.ts';

interface OpenPart {
  readonly path: string;
  readonly draft: string;
  readonly file: FileHandle;
  bytes: number;
}

const maxParts = 999;

/**
 * Writes a bundle as files of up to `limit` bytes, FILE.001 and so on, none of which appears under its name before all are
 * whole. A chunk is never divided.
 * @returns the names of the parts
 * @throws ImgctlError `usage` where a file cannot be written, or too many would be needed
 */
export async function writeParts(
  chunks: AsyncIterable<Uint8Array>,
  { file, limit, bundle }: { readonly file: string; readonly limit: number; readonly bundle: Digest },
): Promise<string[]> {
  const parts: OpenPart[] = [];
  const published: string[] = [];
  try {
    let current: OpenPart | undefined;
    for await (const chunk of chunks) {
      if (current === undefined || current.bytes + chunk.byteLength > limit) {
        current = await openPart(file, parts.length + 1);
        parts.push(current);
      }
      await append(current, chunk);
    }
    for (const [i, part] of parts.entries()) {
      // How many there are is known only now
      const head = { bundle, limit, part: i + 1, of: parts.length, bytes: part.bytes };
      await part.file.write(encodePartHead(head), 0, partHeadBytes, 0);
      await part.file.sync();
    }
    for (const { draft, path } of parts) {
      await rename(draft, path);
      published.push(path);
    }
    return published;
  } catch (cause) {
    if (!(cause instanceof Error && 'syscall' in cause)) throw cause;
    throw new ImgctlError('usage', `${file} cannot be written: ${cause.message}`, {
      hint: 'Name a file in a directory that you may write to, with room for all parts.',
      cause,
    });
  } finally {
    for (const part of parts) await part.file.close();
    if (published.length < parts.length) for (const { draft } of parts) await rm(draft, { force: true });
  }
}

async function append(part: OpenPart, chunk: Uint8Array): Promise<void> {
  // One write may take less than it was given
  for (let at = 0; at < chunk.byteLength; ) {
    const { bytesWritten } = await part.file.write(chunk, at, chunk.byteLength - at, part.bytes);
    at += bytesWritten;
    part.bytes += bytesWritten;
  }
}

async function openPart(file: string, number: number): Promise<OpenPart> {
  if (number > maxParts) {
    throw new ImgctlError('usage', `the bundle would have more than ${maxParts} parts`, {
      hint: 'Choose a larger size with --split.',
    });
  }
  const path = `${file}.${String(number).padStart(3, '0')}`;
  const draft = `${path}.${randomBytes(4).toString('hex')}.partial`;
  return { path, draft, file: await open(draft, 'wx'), bytes: partHeadBytes };
}
