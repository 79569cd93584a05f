import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { configToml, type Snapshotter, socketIn } from './config.ts';
import { criAnswers } from './cri-answers.ts';
import { type CtrOptions, type CtrResult, runCtr } from './ctr.ts';
import type { Generation } from './generations.ts';
import { clearLeftovers } from './leftovers.ts';
import { snapshotterFor } from './snapshotter.ts';

export { type Generation, generations } from './generations.ts';

const readyWithinMs = 20_000;
const endsWithinMs = 5_000;

export interface DaemonOptions {
  /** As the CRI's setting: layers that the CRI pulls are dropped once unpacked. `ctr` imports keep theirs. */
  discardUnpackedLayers?: boolean;
  /** Default: overlayfs where the file system allows it, else native. */
  snapshotter?: Snapshotter;
  /** Whether its CRI plugin is on, as it is by default. */
  cri?: boolean;
  /** Where its CRI reads of each registry how it is reached: a folder with a `hosts.toml` for each. */
  hostsDir?: string;
  /** The folder of a daemon that ended, of this generation or another, to go on with. `stop()` then leaves it there. */
  root?: string;
}

export interface Lease {
  id: string;
  labels: Record<string, string>;
}

/**
 * Starts a real containerd with a folder, socket and containers of its own, its CRI plugin serving on the same socket.
 *
 * @throws Error with the end of the daemon's log when it ends, or does not answer within 20 s
 */
export async function startContainerd(
  generation: Generation,
  options: DaemonOptions = {},
): Promise<ContainerdDaemon> {
  const root =
    options.root ?? realpathSync(mkdtempSync(join(tmpdir(), `imgctl-containerd-${generation.name}-`)));
  mkdirSync(root, { recursive: true });
  const snapshotter = options.snapshotter ?? snapshotterFor(root);
  const { discardUnpackedLayers = false, cri = true, hostsDir } = options;
  writeFileSync(
    join(root, 'config.toml'),
    configToml({
      generation: generation.name,
      folder: root,
      snapshotter,
      discardUnpackedLayers,
      cri,
      hostsDir,
    }),
  );
  const daemon = new ContainerdDaemon(generation, root, snapshotter, {
    ownsRoot: options.root === undefined,
    cri,
  });
  try {
    await daemon.restart();
  } catch (error) {
    await daemon.stop();
    throw error;
  }
  return daemon;
}

export class ContainerdDaemon {
  readonly generation: Generation;
  /** The folder of everything that is this daemon's. */
  readonly root: string;
  readonly socket: string;
  readonly snapshotter: Snapshotter;
  readonly #ownsRoot: boolean;
  readonly #cri: boolean;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #running = new Set<ChildProcess>();
  #process: ChildProcess | undefined;

  constructor(
    generation: Generation,
    root: string,
    snapshotter: Snapshotter,
    { ownsRoot, cri }: { ownsRoot: boolean; cri: boolean },
  ) {
    this.generation = generation;
    this.root = root;
    this.socket = socketIn(root);
    this.snapshotter = snapshotter;
    this.#ownsRoot = ownsRoot;
    this.#cri = cri;
    this.#environment = {
      ...process.env,
      // containerd looks for its shim, and the shim for runc, on the PATH: the shim must be this generation's.
      PATH: `${generation.bin}:${process.env.PATH ?? ''}:/usr/sbin:/usr/bin:/sbin:/bin`,
      CONTAINERD_ADDRESS: this.socket,
      CONTAINERD_SNAPSHOTTER: snapshotter,
    };
  }

  /** Undefined while it is down. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Ends the daemon, if it runs, as a service manager does (containers live on), and starts it on the same folder. */
  async restart(): Promise<void> {
    await this.#end('SIGTERM');
    const log = openSync(this.#logFile, 'a');
    // A test run that is killed takes its daemons along.
    const child = spawn(
      'setpriv',
      ['--pdeathsig', 'KILL', 'containerd', '--config', join(this.root, 'config.toml')],
      {
        env: this.#environment,
        stdio: ['ignore', log, log],
      },
    );
    closeSync(log);
    this.#process = child;
    await once(child, 'spawn');
    await this.#ready(child);
  }

  /** SIGKILL: a crash. The folder and the containers stay; `restart()` and `stop()` work after it. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Ends everything and removes the folder, unless it was given. Safe to call twice. */
  async stop(): Promise<void> {
    for (const child of this.#running) child.kill('SIGKILL');
    await this.#end('SIGTERM');
    clearLeftovers(this.root, this.socket);
    if (this.#ownsRoot) rmSync(this.root, { recursive: true, force: true, maxRetries: 3 });
  }

  /** Runs this generation's `ctr` against this daemon: `ctr(['-n', 'k8s.io', 'images', 'ls'])`. */
  ctr(args: string[], options: CtrOptions = {}): Promise<CtrResult> {
    return runCtr(join(this.generation.bin, 'ctr'), args, this.#environment, options, this.#running);
  }

  /** Runs a container of an image to its end and gives its standard output. @throws Error with what went wrong */
  async runContainer(namespace: string, imageRef: string, argv: string[]): Promise<string> {
    const fifos = ['--fifo-dir', join(this.root, 'fifo')];
    let output = '';
    // On a busy machine ctr gives up its pipes before it has opened them when the process ends at once, and has no word
    // of what that wrote
    for (let tries = 0; tries < 4 && output === ''; tries += 1) {
      // Control groups are named by namespace and id alone: the id must differ from that of any other daemon's container.
      const id = `imgctl-${randomUUID()}`;
      output = await this.#ctrOutput(['-n', namespace, 'run', '--rm', ...fifos, imageRef, id, ...argv]);
    }
    return output;
  }

  async leases(namespace: string): Promise<Lease[]> {
    const rows = tableRows(await this.#ctrOutput(['-n', namespace, 'leases', 'ls']));
    return rows.map(([id = '', , labels = '-']) => ({
      id,
      labels: labels === '-' ? {} : parseLabels(labels),
    }));
  }

  /** The refs of unfinished writes. */
  async ingests(namespace: string): Promise<string[]> {
    const rows = tableRows(await this.#ctrOutput(['-n', namespace, 'content', 'active']));
    return rows.map(([ref = '']) => ref);
  }

  /** The last lines that the daemon wrote to its log. */
  logTail(lines = 40): string {
    return readFileSync(this.#logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  }

  get #logFile(): string {
    return join(this.root, 'containerd.log');
  }

  async #ctrOutput(args: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.ctr(args);
    if (status === 0) return stdout;
    throw new Error(
      `ctr ${args.join(' ')}: status ${status} on containerd ${this.generation.name}\n${stderr}${stdout}`,
    );
  }

  async #ready(child: ChildProcess): Promise<void> {
    const deadline = Date.now() + readyWithinMs;
    while (!(await (this.#cri ? criAnswers(this.socket) : this.#answers()))) {
      const problem = hasEnded(child)
        ? 'ended'
        : Date.now() > deadline
          ? `did not answer in ${readyWithinMs} ms`
          : '';
      if (problem)
        throw new Error(`containerd ${this.generation.name} ${problem}; its log ends:\n${this.logTail()}`);
      await delay(20);
    }
  }

  async #answers(): Promise<boolean> {
    return (await this.ctr(['version'])).status === 0;
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || hasEnded(child)) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), endsWithinMs);
    await ended;
    clearTimeout(timer);
  }
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

/** The cells of `ctr`'s tables without the heading; none that we read holds a space. */
const tableRows = (output: string): string[][] =>
  output
    .split('\n')
    .slice(1)
    .filter((line) => line.trim() !== '')
    .map((line) => line.split(/\s+/));

function parseLabels(text: string): Record<string, string> {
  const pairs = text.split(',').map((pair) => pair.split(/=(.*)/s));
  return Object.fromEntries(pairs.map(([key = '', value = '']) => [key, value]));
}
