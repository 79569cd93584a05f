import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ImgctlError } from '../../errors.ts';
import { runCommand } from '../run-command.ts';

/** What glibc loads by name when a host is looked up: parts of itself from 2.34 on, files of their own before. */
const lookUps = ['libnss_dns.so.2', 'libnss_files.so.2', 'libresolv.so.2'];

/**
 * The libraries that an executable is loaded with on this machine, and the loader itself: absolute paths, sorted.
 * The loader is asked as `ldd` does (ld.so(8), LD_TRACE_LOADED_OBJECTS); nothing of the executable runs.
 * @throws ImgctlError `deploy_failed` where one is missing, or the executable is not this machine's
 */
export async function sharedLibraries(executable: string, signal?: AbortSignal): Promise<readonly string[]> {
  const { status, stdout, stderr } = await runCommand(executable, [], {
    env: { LD_TRACE_LOADED_OBJECTS: '1' },
    signal,
  });
  const missing = /^\s*(\S+) => not found/m.exec(stdout)?.[1];
  const found = librariesIn(stdout);
  const libc = found.find((path) => path.endsWith('/libc.so.6'));
  if (status !== 0 || missing !== undefined || libc === undefined) {
    throw new ImgctlError(
      'deploy_failed',
      missing === undefined
        ? `the loader does not say what ${executable} needs: ${stderr.trim() || `status ${status}`}`
        : `${executable} needs ${missing}, which is not on this machine`,
      {
        hint: 'Make the image on a machine of the same architecture where the executable runs, with glibc.',
        context: { path: executable },
      },
    );
  }
  const besideLibc = new Set(await readdir(dirname(libc)));
  const extra = lookUps.filter((name) => besideLibc.has(name)).map((name) => join(dirname(libc), name));
  return [...new Set([...found, ...extra])].sort();
}

/** `libm.so.6 => /lib/libm.so.6 (0x…)`, and the loader by its path alone; the kernel's vDSO has none. */
export function librariesIn(trace: string): string[] {
  return trace
    .split('\n')
    .map((line) => /^\s*(?:\S+ => )?(\/\S+) \(0x[0-9a-f]+\)$/.exec(line)?.[1])
    .filter((path) => path !== undefined);
}
