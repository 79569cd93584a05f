import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A daemon's containers outlive it by design: each has a shim process of its own. This ends them, with what they
 * leave outside the daemon's folder (runc's state, pipes, the shim's socket), and unmounts what is mounted below the folder.
 */
export function clearLeftovers(folder: string, socket: string): void {
  for (const shim of shimsOf(socket)) {
    spawnSync('runc', ['--root', join('/run/containerd/runc', shim.namespace), 'delete', '--force', shim.id]);
    killIfAlive(shim.pid);
    for (const pipes of pipeFoldersOf(shim.id)) rmSync(pipes, { recursive: true, force: true });
  }
  for (const shimSocket of shimSocketsIn(join(folder, 'state'))) rmSync(shimSocket, { force: true });
  // Deepest first. Lazily: a process that is dying may hold a root file system for another moment.
  for (const mount of mountsBelow(folder).reverse()) spawnSync('umount', ['--lazy', mount]);
}

interface Shim {
  pid: number;
  namespace: string;
  id: string;
}

function shimsOf(socket: string): Shim[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      const args = readIfThere(`/proc/${pid}/cmdline`).split('\0');
      const option = (name: string) => args[args.indexOf(name) + 1] ?? '';
      const ours = args[0]?.includes('containerd-shim') && option('-address') === socket;
      return ours ? [{ pid: Number(pid), namespace: option('-namespace'), id: option('-id') }] : [];
    });
}

/** Where a detached `ctr run` leaves the container's standard streams, unless told another place. */
function pipeFoldersOf(id: string): string[] {
  const fifos = '/run/containerd/fifo';
  return listIfThere(fifos)
    .map((name) => join(fifos, name))
    .filter((folder) => listIfThere(folder).includes(`${id}-stdout`));
}

/** Shims listen in a machine-wide folder; their bundles say where: a file `address` before 2.0, since then JSON. */
function shimSocketsIn(state: string): string[] {
  const bundles = join(state, 'io.containerd.runtime.v2.task');
  return listIfThere(bundles)
    .flatMap((namespace) => listIfThere(join(bundles, namespace)).map((id) => join(bundles, namespace, id)))
    .flatMap((bundle) => ['address', 'bootstrap.json'].map((file) => readIfThere(join(bundle, file))))
    .flatMap((text) => text.match(/\/run\/containerd\/s\/[0-9a-f]{64}/g) ?? []);
}

/** In the order of mounting. */
function mountsBelow(folder: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) =>
      (line.split(' ')[4] ?? '').replace(/\\(\d{3})/g, (_, octal) =>
        String.fromCharCode(Number.parseInt(octal, 8)),
      ),
    )
    .filter((path) => path.startsWith(`${folder}/`));
}

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself when its container did.
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function listIfThere(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
