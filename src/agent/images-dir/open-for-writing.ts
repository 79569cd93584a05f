import type { BigIntStats } from 'node:fs';
import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { Limiter } from '../../streams/limiter.ts';
import { inodeOf } from './found-file.ts';

/**
 * Those of the inodes (see FoundFile) that a process has open for writing, as far as /proc shows that: of other users' processes to
 * root alone, of those outside a container only where it shares the host's. Where there is no /proc: none.
 */
export async function openForWriting(inodes: ReadonlySet<string>): Promise<ReadonlySet<string>> {
  const open = new Set<string>();
  if (inodes.size === 0) return open;
  const processes = (await list('/proc')).filter((name) => /^\d+$/.test(name));
  const limiter = new Limiter(16);
  await Promise.all(
    processes.map((process) =>
      limiter.run(async () => {
        for (const descriptor of await list(`/proc/${process}/fd`)) {
          const found = await inodeBehind(`/proc/${process}/fd/${descriptor}`);
          if (found === undefined || !inodes.has(found) || open.has(found)) continue;
          if (await isForWriting(`/proc/${process}/fdinfo/${descriptor}`)) open.add(found);
        }
      }),
    ),
  );
  return open;
}

/** The PID namespace that the machine has when it starts (include/linux/proc_ns.h). */
const firstPidNamespace = 'pid:[4026531836]';

/**
 * Whether it can be seen who writes to a file: not from a container with processes of its own, nor where those of others
 * are hidden. Then a file that stands still is taken for whole.
 */
export async function seesWriters(): Promise<boolean> {
  const namespace = await readlink('/proc/self/ns/pid').catch(() => undefined);
  return namespace === firstPidNamespace && (await list('/proc/1/fd')).length > 0;
}

/** A process may end while it is looked at. */
async function list(directory: string): Promise<readonly string[]> {
  return readdir(directory).catch(() => []);
}

async function inodeBehind(link: string): Promise<string | undefined> {
  const stats: BigIntStats | undefined = await stat(link, { bigint: true }).catch(() => undefined);
  return stats?.isFile() ? inodeOf(stats) : undefined;
}

/** proc(5): `flags` are those of open(2), octal; the last two bits are the access mode. */
async function isForWriting(info: string): Promise<boolean> {
  const text = await readFile(info, 'latin1').catch(() => '');
  const flags = /^flags:\s*([0-7]+)/m.exec(text)?.[1];
  return flags !== undefined && (Number.parseInt(flags, 8) & 3) !== 0;
}
