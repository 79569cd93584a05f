import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Whose a lease is, written on it as labels, and whether that process still lives. */

export const leaseLabels = {
  /** RFC 3339; containerd stops honouring the lease then. */
  expire: 'containerd.io/gc.expire',
  owner: 'imgctl.dev/owner',
  process: 'imgctl.dev/process',
} as const;

/**
 * Names one run of one program on one kernel: process ids come again in other pid namespaces, after a reboot, and
 * when they run out.
 */
export interface ProcessIdentity {
  readonly boot: string;
  readonly pidNamespace: string;
  readonly pid: number;
  /** In clock ticks after boot. */
  readonly startedAt: string;
}

export function thisProcess(): ProcessIdentity {
  return {
    boot: readOr('/proc/sys/kernel/random/boot_id', 'unknown'),
    pidNamespace: pidNamespaceOf('self') ?? 'unknown',
    pid: process.pid,
    startedAt: startOf('self') ?? 'unknown',
  };
}

export function formatProcess({ boot, pidNamespace, pid, startedAt }: ProcessIdentity): string {
  return [boot, pidNamespace, pid, startedAt].join('/');
}

export function parseProcess(label: string | undefined): ProcessIdentity | undefined {
  const [boot, pidNamespace, pid, startedAt] = label?.split('/') ?? [];
  if (!boot || !pidNamespace || !pid || !startedAt) return undefined;
  return { boot, pidNamespace, pid: Number(pid), startedAt };
}

/**
 * `unknown`: it is in a pid namespace that this process does not see into (an agent in another container).
 */
export function stateOf(
  other: ProcessIdentity,
  self: ProcessIdentity = thisProcess(),
): 'self' | 'alive' | 'dead' | 'unknown' {
  if (other.boot !== self.boot) return 'dead';
  if (other.pidNamespace === self.pidNamespace) {
    if (other.pid === self.pid) return other.startedAt === self.startedAt ? 'self' : 'dead';
    return startOf(String(other.pid)) === other.startedAt ? 'alive' : 'dead';
  }
  return isSeenElsewhere(other) ? 'alive' : 'unknown';
}

/** Processes of pid namespaces below this one are seen here too, under other ids; their start time is the same. */
function isSeenElsewhere({ pidNamespace, startedAt }: ProcessIdentity): boolean {
  const ids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return ids.some((pid) => pidNamespaceOf(pid) === pidNamespace && startOf(pid) === startedAt);
}

/** The inode of its pid namespace. */
function pidNamespaceOf(pid: string): string | undefined {
  try {
    return /\[(\d+)\]/.exec(readlinkSync(`/proc/${pid}/ns/pid`))?.[1];
  } catch {
    return undefined;
  }
}

/** Field 22 of proc_pid_stat(5); the second field, in parentheses, may itself hold spaces and parentheses. */
function startOf(pid: string): string | undefined {
  const stat = readOr(`/proc/${pid}/stat`, '');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return otherwise;
  }
}
