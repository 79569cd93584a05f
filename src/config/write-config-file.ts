import { randomUUID } from 'node:crypto';
import { mkdir, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ImgctlError } from '../errors.ts';

/**
 * Puts the text in the place of the file: whole or not at all, readable by this user alone. A symbolic link stays one.
 * @throws ImgctlError `config_invalid`
 */
export async function writeConfigFile(path: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await replace(await targetOf(path), text);
  } catch (cause) {
    if (cause instanceof ImgctlError) throw cause;
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    const why = code === 'EACCES' || code === 'EPERM' ? ': this user may not' : '';
    throw invalid(path, `cannot be written${why}`, cause);
  }
}

async function targetOf(path: string): Promise<string> {
  const target = await realpath(path).catch(() => undefined);
  if (target === undefined) return path;
  if (!(await stat(target)).isFile()) throw invalid(path, 'cannot be written: it is not a file');
  return target;
}

async function replace(target: string, text: string): Promise<void> {
  const temporary = `${target}.${randomUUID()}.tmp`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, target);
  } catch (thrown) {
    await rm(temporary, { force: true });
    throw thrown;
  }
}

function invalid(path: string, why: string, cause?: unknown): ImgctlError {
  return new ImgctlError('config_invalid', `the configuration file ${path} ${why}`, {
    hint: 'Name another with --config FILE or IMGCTL_CONFIG.',
    context: { path },
    cause,
  });
}
