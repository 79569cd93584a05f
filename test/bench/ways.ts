import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ContainerdDaemon } from '../support/containerd/daemon.ts';
import { bin } from './benchmark.ts';
import { interrupted } from './interrupted.ts';
import { type Timed, timed } from './timed-process.ts';

/** An archive into a containerd on this machine, by containerd's own tool. */
export function byCtr(daemon: ContainerdDaemon, archive: string, ...args: string[]): Promise<Timed> {
  const socket = ['--address', daemon.socket, '-n', 'k8s.io'];
  return timed(join(daemon.generation.bin, 'ctr'), [...socket, 'images', 'import', ...args, archive]);
}

/** The same by the command, without an agent. */
export function byCommand(daemon: ContainerdDaemon, archive: string, ...args: string[]): Promise<Timed> {
  const socket = ['--address', daemon.socket];
  return timed(process.execPath, [bin, 'ctr', 'image', 'import', ...socket, ...args, archive]);
}

/** Through an agent on this machine. */
export function byAgent(agent: { address: string; tokenFile: string }, archive: string): Promise<Timed> {
  const to = ['--nodes', agent.address, '--token-file', agent.tokenFile];
  return timed(process.execPath, [bin, 'images', 'import', ...to, archive]);
}

/** Takes everything out of the store, and waits until it is collected. */
export async function empty(daemon: ContainerdDaemon): Promise<void> {
  const { stdout } = await daemon.ctr(['-n', 'k8s.io', 'images', 'ls', '-q']);
  const names = stdout.split('\n').filter(Boolean);
  if (names.length > 0) await daemon.ctr(['-n', 'k8s.io', 'images', 'rm', '--sync', ...names]);
  let blobs: string[] = [];
  for (const until = Date.now() + 30_000; Date.now() < until; await sleep(200)) {
    interrupted.throwIfAborted();
    const left = await daemon.ctr(['-n', 'k8s.io', 'content', 'ls', '-q']);
    blobs = left.stdout.split('\n').filter(Boolean);
    if (blobs.length === 0) return;
  }
  throw new Error(`${daemon.generation.name} still has ${blobs.length} blobs`);
}

/** Results of several ways to do the same, taken in turn, so that noise hits all of them alike. */
export class Measurements<Way extends string> {
  readonly #results = new Map<Way, Timed[]>();
  readonly #log: (line: string) => void;

  constructor(log: (line: string) => void) {
    this.#log = log;
  }

  async measure(way: Way, run: () => Promise<Timed>): Promise<void> {
    const result = await run();
    this.#results.set(way, [...this.of(way), result]);
    this.#log(`${way}: ${result.seconds.toFixed(2)} s`);
  }

  of(way: Way): readonly Timed[] {
    return this.#results.get(way) ?? [];
  }
}
