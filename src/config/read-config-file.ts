import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { ImgctlError } from '../errors.ts';

/** Bytes. What people write by hand is a hundredth of this. */
const maxBytes = 1024 * 1024;

/**
 * The text of a configuration file; undefined where there is none. A pipe will do, as `--config <(…)` gives one.
 * @throws ImgctlError `config_invalid`: no file, not readable, too long, not UTF-8
 */
export async function readConfigFile(path: string): Promise<string | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (code === 'ENOENT') return undefined;
    throw invalid(path, `cannot be read: ${code === 'EACCES' ? 'this user may not' : code}`, cause);
  }
  try {
    const stats = await file.stat();
    // /dev/null is how one says that there shall be none; other devices may never end
    const readable = stats.isFile() || stats.isFIFO() || path === '/dev/null';
    if (!readable) throw invalid(path, stats.isDirectory() ? 'is a directory' : 'is not a file');
    return decode(path, await readBounded(path, file));
  } catch (thrown) {
    if (thrown instanceof ImgctlError) throw thrown;
    throw invalid(path, 'cannot be read', thrown);
  } finally {
    await file.close();
  }
}

async function readBounded(path: string, file: FileHandle): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for (;;) {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(64 * 1024));
    if (bytesRead === 0) return Buffer.concat(chunks);
    chunks.push(buffer.subarray(0, bytesRead));
    length += bytesRead;
    if (length > maxBytes) throw invalid(path, 'is longer than 1 MiB');
  }
}

function decode(path: string, bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw invalid(path, 'is not text (UTF-8)', cause);
  }
}

function invalid(path: string, why: string, cause?: unknown): ImgctlError {
  return new ImgctlError('config_invalid', `the configuration file ${path} ${why}`, {
    hint: 'Name another with --config FILE or IMGCTL_CONFIG; /dev/null stands for none.',
    context: { path },
    cause,
  });
}
