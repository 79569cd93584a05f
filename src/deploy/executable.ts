import { access, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isSea } from 'node:sea';
import { ImgctlError } from '../errors.ts';

/** imgctl as one file that runs without anything else, one for each architecture: `imgctl-linux-x64` and `-arm64`. */

/** How imgctl is started: from one file, or by a Node.js from its package. */
export type Executable =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'package'; readonly node: string; readonly script: string };

export interface ThisProcess {
  readonly execPath: string;
  /** What Node.js was started with. */
  readonly script: string;
  readonly arch: string;
  readonly single: boolean;
}

export function thisProcess(): ThisProcess {
  return {
    execPath: process.execPath,
    script: process.argv[1] ?? '',
    arch: process.arch,
    single: isSea(),
  };
}

export function executableName(arch: string): string {
  return `imgctl-linux-${arch}`;
}

/** What this machine's agent is to be started from: the file that runs, one that was built beside it, or the package. */
export async function ownExecutable(self = thisProcess()): Promise<Executable> {
  const path = await findExecutable(self.arch, { self });
  if (path !== undefined) return { kind: 'file', path };
  return { kind: 'package', node: self.execPath, script: await realpath(self.script) };
}

interface Where {
  /** The only place to look, where it was named. */
  readonly directory?: string | undefined;
  readonly self?: ThisProcess | undefined;
}

/** The executable for an architecture in Node.js's words: in the directory that was named, or beside the one that runs. */
export async function findExecutable(
  arch: string,
  { directory, self = thisProcess() }: Where = {},
): Promise<string | undefined> {
  for (const path of await candidates(arch, directory, self)) {
    try {
      await access(path);
      return path;
    } catch {
      // The next one
    }
  }
  return undefined;
}

async function candidates(arch: string, directory: string | undefined, self: ThisProcess): Promise<string[]> {
  const name = executableName(arch);
  if (directory !== undefined) return [join(directory, name)];
  if (self.single)
    return [...(arch === self.arch ? [self.execPath] : []), join(dirname(self.execPath), name)];
  const script = await realpath(self.script).catch(() => self.script);
  return [join(dirname(script), '..', 'dist', name)];
}

/** `uname -m` in Node.js's words. @throws ImgctlError `deploy_failed` for one that there is no executable for */
export function archOfMachine(machine: string): 'x64' | 'arm64' {
  if (machine === 'x86_64' || machine === 'amd64') return 'x64';
  if (machine === 'aarch64' || machine === 'arm64') return 'arm64';
  throw new ImgctlError('deploy_failed', `there is no executable for the architecture ${machine}`, {
    hint: 'Executables are made for x86_64 and aarch64; elsewhere the package runs with Node.js 24.',
  });
}
