import { execFile } from 'node:child_process';
import { glob, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Where `npm run build:exe` puts the executable of this machine's architecture. */
const executable = join(root, 'dist', `imgctl-linux-${process.arch}`);

/**
 * The single executable, as the sources are now: made anew where one of them is newer, with IMGCTL_KEEP_DIST only
 * where there is none. Takes some seconds; two test files that ask at once each make it, and the last one stays.
 */
export async function builtExecutable(): Promise<string> {
  const built = await changedAt(executable);
  if (built > 0 && (process.env.IMGCTL_KEEP_DIST !== undefined || built >= (await sourcesChangedAt())))
    return executable;
  await promisify(execFile)(process.execPath, ['esbuild.config.ts', 'executable', '--only-own'], {
    cwd: root,
  });
  return executable;
}

async function sourcesChangedAt(): Promise<number> {
  const files = await Array.fromAsync(
    glob(['src/**/*.ts', 'bin/*.js', 'esbuild.config.ts', 'package-lock.json'], { cwd: root }),
  );
  const times = await Promise.all(files.map((file) => changedAt(join(root, file))));
  return Math.max(...times);
}

async function changedAt(path: string): Promise<number> {
  return stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
}
