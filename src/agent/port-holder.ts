import { readdir, readFile, readlink } from 'node:fs/promises';

/** Who listens on a TCP port of this machine, as /proc tells: Linux only, and of other users' processes only for root. */
export interface PortHolder {
  readonly pid: number;
  readonly command: string;
}

export async function findPortHolder(port: number, proc = '/proc'): Promise<PortHolder | undefined> {
  try {
    const inodes = new Set([
      ...listenersOn(port, await readTable(`${proc}/net/tcp`)),
      ...listenersOn(port, await readTable(`${proc}/net/tcp6`)),
    ]);
    if (inodes.size === 0) return undefined;
    for (const entry of await readdir(proc)) {
      if (!/^\d+$/.test(entry) || !(await holdsAny(`${proc}/${entry}/fd`, inodes))) continue;
      return { pid: Number(entry), command: await commandOf(`${proc}/${entry}`) };
    }
  } catch {
    // No /proc, or not ours to read: the error goes without a name
  }
  return undefined;
}

function readTable(path: string): Promise<string> {
  return readFile(path, 'latin1').catch(() => '');
}

/** Inodes of the sockets that listen (state 0A) on the port, in any address of the table. */
function listenersOn(port: number, table: string): string[] {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return table.split('\n').flatMap((line) => {
    const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
    return local?.endsWith(wanted) && state === '0A' && inode !== undefined ? [`socket:[${inode}]`] : [];
  });
}

async function holdsAny(fdDirectory: string, sockets: ReadonlySet<string>): Promise<boolean> {
  const descriptors = await readdir(fdDirectory).catch(() => []);
  for (const descriptor of descriptors) {
    const target = await readlink(`${fdDirectory}/${descriptor}`).catch(() => '');
    if (sockets.has(target)) return true;
  }
  return false;
}

/** Program and arguments, separated by spaces. */
async function commandOf(process: string): Promise<string> {
  const line = await readFile(`${process}/cmdline`, 'utf8').catch(() => '');
  const command = line.replaceAll('\0', ' ').trim();
  return command || (await readFile(`${process}/comm`, 'utf8').catch(() => 'unknown')).trim();
}

/** What a message may show: the program, and the script that it runs; further arguments may be secrets. */
export function programOf({ command }: PortHolder): string {
  const [program = '', script = ''] = command.split(' ');
  return `${program}${script === '' || script.startsWith('-') ? '' : ` ${script}`}`.slice(0, 160);
}

/** MicroK8s's own cluster agent: `cluster-agent` of the snap since 1.25, gunicorn before. */
export function isMicrok8s({ command }: PortHolder): boolean {
  return /microk8s/i.test(command) || /(?:^|\/)cluster-agent(?:\s|$)/.test(command);
}
