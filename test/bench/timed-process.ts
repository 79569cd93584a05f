import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { interrupted } from './interrupted.ts';

export interface Timed {
  readonly seconds: number;
  /** Peak resident memory in bytes. */
  readonly peakBytes: number;
  /** Share of the machine's processors that was busy meanwhile. */
  readonly cpu: number;
  readonly stdout: string;
}

export interface TimedOptions {
  /** Exit statuses that are no failure; default: 0 alone. */
  readonly statuses?: readonly number[];
  /** Told of each line of standard output as it comes; `stop` is Ctrl-C. */
  readonly onLine?: (line: string, stop: () => void) => void;
}

/** None of what is measured takes longer. */
const timeout = 3_600_000;

/** Runs a program to its end and measures it. @throws Error with what it printed when it fails or hangs */
export async function timed(
  command: string,
  args: readonly string[],
  { statuses = [0], onLine }: TimedOptions = {},
): Promise<Timed> {
  const before = processorTimes();
  const begun = performance.now();
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: interrupted,
    killSignal: 'SIGKILL',
    timeout,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  const stop = () => child.kill('SIGINT');
  if (onLine !== undefined) createInterface(child.stdout).on('line', (line) => onLine(line, stop));
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  let peakBytes = 0;
  const sampler = setInterval(() => {
    peakBytes = Math.max(peakBytes, peakResidentBytes(child.pid));
  }, 20);
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  }).finally(() => clearInterval(sampler));
  const seconds = (performance.now() - begun) / 1000;
  const after = processorTimes();
  if (status === null || !statuses.includes(status))
    throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${(stdout + stderr).slice(-4000)}`);
  const cpu = 1 - (after.idle - before.idle) / Math.max(1, after.all - before.all);
  return { seconds, peakBytes, cpu, stdout };
}

/** The kernel's own high-water mark of a process that runs; 0 once it is gone. */
export function peakResidentBytes(pid: number | undefined): number {
  try {
    const match = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return Number(match?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? 0)
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** What runs with the lowest priority gives way: it is idle time to all others. */
function processorTimes(): { readonly idle: number; readonly all: number } {
  const [, ...times] = (readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '').split(/\s+/).map(Number);
  const [, nice = 0, , idle = 0, waiting = 0] = times;
  return { idle: nice + idle + waiting, all: times.reduce((sum, time) => sum + time, 0) };
}
