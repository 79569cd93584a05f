import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeTestAuthority } from '../support/agent-certificates.ts';
import { type RunningCli, startCli } from '../support/cli.ts';
import { makeNetwork, type NetworkHost } from '../support/network.ts';
import { interrupted } from './interrupted.ts';
import { peakResidentBytes } from './timed-process.ts';

/** Agents on hosts of their own, each a network namespace, TLS on, as a user runs them; and a host for the command. */
export interface Cluster extends AsyncDisposable {
  readonly operator: NetworkHost;
  readonly agents: readonly ClusterAgent[];
  readonly caFile: string;
  readonly tokenFile: string;
}

export interface ClusterAgent {
  readonly name: string;
  readonly host: NetworkHost;
  readonly url: string;
  /** Of its memory, in bytes. */
  peakBytes(): number;
  /** SIGKILL. */
  kill(): Promise<void>;
}

export interface ClusterOptions {
  readonly directory: string;
  readonly nodes: number;
  /** Of every link in both directions; not limited unless given. */
  readonly rateMbit?: number | undefined;
  /** Where each keeps its images, as `--store` takes it; default: a new, empty OCI layout each. */
  readonly stores?: readonly string[];
}

export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  interrupted.throwIfAborted();
  await using stack = new AsyncDisposableStack();
  const scratch = await mkdtemp(join(options.directory, 'cluster-'));
  stack.defer(() => rm(scratch, { recursive: true, force: true }));
  const authority = stack.use(await makeTestAuthority());
  const { certFile, keyFile } = await authority.issue('agent');
  const { caFile } = authority;
  const tokenFile = join(scratch, 'token');
  await writeFile(tokenFile, `${'t'.repeat(32)}\n`, { mode: 0o600 });
  const names = Array.from({ length: options.nodes }, (_, i) => `n${i + 1}`);
  const network = stack.use(await makeNetwork(['op', ...names], { rateMbit: options.rateMbit }));
  const [operator, ...hosts] = network.hosts;
  if (operator === undefined) throw new Error('a network without hosts');
  const agents: ClusterAgent[] = [];
  const starting: Promise<void>[] = [];
  for (const [i, host] of hosts.entries()) {
    const data = join(scratch, host.name);
    const store = options.stores?.[i] ?? `oci:${join(data, 'store')}`;
    await mkdir(join(data, 'store'), { recursive: true });
    const args = [
      ...['agent', 'run', '--listen', `${host.address}:25000`, '--name', host.name, '--store', store],
      ...['--tls-cert', certFile, '--tls-key', keyFile, '--ca-file', caFile],
      ...['--token-file', tokenFile, '--data-dir', data],
    ];
    const running = startCli(args, { prefix: host.prefix, timeoutMs: 3_600_000 });
    const kill = async () => {
      running.kill('SIGKILL');
      await running.result;
    };
    stack.defer(kill);
    starting.push(ready(running));
    agents.push({
      name: host.name,
      host,
      url: `https://${host.address}:25000`,
      peakBytes: () => peakResidentBytes(running.pid),
      kill,
    });
  }
  await Promise.all(starting);
  const parts = stack.move();
  return { operator, agents, caFile, tokenFile, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

async function ready({ printed }: RunningCli): Promise<void> {
  for (const until = Date.now() + 60_000; Date.now() < until; await sleep(50)) {
    interrupted.throwIfAborted();
    if (printed().stderr.includes('"agent ready"')) return;
  }
  throw new Error(`an agent did not become ready: ${printed().stderr}`);
}
