import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CliResult, type RunningCli, startCli } from './cli.ts';
import type { NetworkHost } from './network.ts';

/** A real agent in a process of its own. */
export interface AgentProcess {
  readonly port: number;
  /** `127.0.0.1:PORT`, or that of its host */
  readonly address: string;
  readonly dataDir: string;
  readonly tokenFile: string;
  readonly pid: number;
  log(): string;
  kill(signal: NodeJS.Signals): Promise<CliResult>;
  /** Starts it anew on the same port and data directory, after `kill`. */
  restart(): Promise<void>;
  /** Ends it and removes its data directory. */
  stop(): Promise<void>;
}

export interface AgentOptions {
  /** As `--store` takes it: `containerd:SOCKET` or `oci:DIR`. */
  readonly store: string;
  readonly name?: string;
  readonly args?: readonly string[];
  /** Its certificate; then it is spoken to over HTTPS. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  /** Default: a new directory, removed at the end. */
  readonly dataDir?: string;
  /** The host of a network that it runs on; it wants TLS there. Default: this machine's loopback. */
  readonly host?: Pick<NetworkHost, 'address' | 'prefix'>;
}

export async function startAgent(options: AgentOptions): Promise<AgentProcess> {
  const port = await freePort();
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'imgctl-test-agent-')));
  const address = `${options.host?.address ?? '127.0.0.1'}:${port}`;
  const args = [
    ...['agent', 'run', '--listen', address, '--store', options.store, '--data-dir', dataDir],
    ...(options.name === undefined ? [] : ['--name', options.name]),
    ...(options.tls === undefined
      ? []
      : ['--tls-cert', options.tls.certFile, '--tls-key', options.tls.keyFile]),
    ...(options.args ?? []),
  ];
  const start = async (): Promise<RunningCli> => {
    const started = startCli(args, { timeoutMs: 600_000, prefix: options.host?.prefix });
    await ready(started, options.tls === undefined ? port : undefined);
    return started;
  };
  let running = await start();
  return {
    port,
    address,
    dataDir,
    tokenFile: join(dataDir, 'token'),
    get pid() {
      return running.pid;
    },
    log: () => running.printed().stderr,
    async kill(signal) {
      running.kill(signal);
      return running.result;
    },
    async restart() {
      running = await start();
    },
    async stop() {
      running.kill('SIGKILL');
      await running.result;
      if (options.dataDir === undefined) await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Asked of its port; one with TLS may let only friends ask, and is believed when it says so. */
async function ready({ printed, result }: RunningCli, port: number | undefined): Promise<void> {
  let ended: CliResult | undefined;
  void result.then((value) => {
    ended = value;
  });
  for (const until = Date.now() + 20_000; Date.now() < until; await sleep(50)) {
    if (ended !== undefined) break;
    if (port === undefined && printed().stderr.includes('"agent ready"')) return;
    if (port === undefined) continue;
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
    if (answer?.ok) return;
  }
  throw new Error(`the agent did not become ready:\n${ended?.stdout ?? ''}${printed().stderr}`);
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
