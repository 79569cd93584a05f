import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type IssuedFiles, makeTestAuthority, type TestAuthority } from '../support/agent-certificates.ts';
import { type RunningCli, startCli } from '../support/cli.ts';
import { makeNetwork, type Network } from '../support/network.ts';
import { writeArchive } from './archive.ts';
import { bin, imageName, type Row } from './node-side.ts';
import { median, timed } from './timed-process.ts';

/**
 * Many nodes over real links: hosts in network namespaces, each link limited in both directions, agents with the
 * embedded store, TLS on. The bound is S/B: payload bytes against the link's raw rate. Peers, over the same links in
 * the same run: the whole archive to one node after the other, as MicroK8s does, and to all at once.
 */

export interface FanOutOptions {
  readonly directory: string;
  readonly sizes: readonly number[];
  readonly runs: number;
  readonly rateMbit: number;
  readonly bytes: number;
  readonly log: (line: string) => void;
}

export interface FanOutResult {
  readonly nodes: number;
  /** Seconds; medians. `bound` is S/B. */
  readonly bound: number;
  readonly imgctl: number;
  readonly oneByOne: number;
  readonly atOnce: number;
  /** Share of the machine's processors that was busy during the imports by imgctl. */
  readonly cpu: number;
}

const layers = 20;

export async function fanOut(options: FanOutOptions): Promise<FanOutResult[]> {
  const { directory, bytes, rateMbit, sizes, runs, log } = options;
  const archive = join(directory, 'fan-out.tar');
  await writeArchive(archive, imageName, layers, bytes);
  const bound = ((await stat(archive)).size * 8) / (rateMbit * 1e6);
  await using authority = await makeTestAuthority();
  const identity = await authority.issue('agent');
  const token = join(directory, 'token');
  await writeFile(token, `${'t'.repeat(32)}\n`, { mode: 0o600 });
  const results: FanOutResult[] = [];
  for (const nodes of sizes) {
    const lab = { ...options, archive, authority, identity, token, nodes };
    const [ours, busy, oneByOne, atOnce]: number[][] = [[], [], [], []];
    for (let run = 0; run < runs; run += 1) {
      const measured = await inFreshCluster(lab, importing);
      ours?.push(measured.seconds);
      busy?.push(measured.cpu);
      log(`${nodes} nodes: ${measured.seconds.toFixed(2)} s (S/B ${bound.toFixed(2)} s)`);
    }
    // What takes N times S/B is measured once
    oneByOne?.push((await inFreshCluster(lab, (cluster) => uploading(cluster, 1))).seconds);
    atOnce?.push((await inFreshCluster(lab, (cluster) => uploading(cluster, nodes))).seconds);
    results.push({
      nodes,
      bound,
      imgctl: median(ours ?? []),
      oneByOne: median(oneByOne ?? []),
      atOnce: median(atOnce ?? []),
      cpu: median(busy ?? []),
    });
  }
  return results;
}

/** What issue and README promise: near S/B, and as long for sixteen as for one. */
export function fanOutRows(results: readonly FanOutResult[]): Row[] {
  const one = results.find(({ nodes }) => nodes === 1)?.imgctl;
  return results.flatMap(({ nodes, bound, imgctl, oneByOne, atOnce, cpu }) => {
    const ratio = imgctl / bound;
    const rows: Row[] = [
      {
        what: `${nodes} nodes: T / (S/B)`,
        value: `${ratio.toFixed(2)} (${imgctl.toFixed(2)} s; one by one ${oneByOne.toFixed(1)} s, at once ${atOnce.toFixed(1)} s; CPU ${Math.round(cpu * 100)} %)`,
        limit: '≤ 1.10',
        met: ratio <= 1.1,
      },
    ];
    if (nodes === 16 && one !== undefined)
      rows.push({
        what: 'T(16) / T(1)',
        value: (imgctl / one).toFixed(2),
        limit: '≤ 1.05',
        met: imgctl / one <= 1.05,
      });
    return rows;
  });
}

interface Lab extends FanOutOptions {
  readonly archive: string;
  readonly authority: TestAuthority;
  readonly identity: IssuedFiles;
  readonly token: string;
  readonly nodes: number;
}

interface Cluster extends Lab {
  readonly network: Network;
}

/** Agents with empty stores on hosts of their own; the first host is the operator's. */
async function inFreshCluster<T>(lab: Lab, work: (cluster: Cluster) => Promise<T>): Promise<T> {
  const names = Array.from({ length: lab.nodes }, (_, i) => `n${i}`);
  await using network = await makeNetwork(['op', ...names], { rateMbit: lab.rateMbit });
  const scratch = await mkdtemp(join(lab.directory, 'cluster-'));
  const agents: RunningCli[] = [];
  try {
    for (const { name, address, prefix } of network.hosts.slice(1)) {
      await mkdir(join(scratch, name));
      const args = [
        ...['agent', 'run', '--listen', `${address}:25000`, '--name', name],
        ...['--store', `oci:${join(scratch, name)}`, '--token-file', lab.token],
        ...['--tls-cert', lab.identity.certFile, '--tls-key', lab.identity.keyFile],
        ...['--ca-file', lab.authority.caFile, '--data-dir', scratch],
      ];
      agents.push(startCli(args, { prefix, timeoutMs: 900_000 }));
    }
    await Promise.all(agents.map(ready));
    return await work({ ...lab, network });
  } finally {
    for (const agent of agents) agent.kill('SIGKILL');
    await Promise.all(agents.map(({ result }) => result));
    await rm(scratch, { recursive: true, force: true });
  }
}

async function ready({ printed }: RunningCli): Promise<void> {
  for (const until = Date.now() + 60_000; Date.now() < until; await sleep(50))
    if (printed().stderr.includes('"agent ready"')) return;
  throw new Error(`an agent did not become ready: ${printed().stderr}`);
}

async function importing({ network, authority, token, archive }: Cluster) {
  const [operator, ...hosts] = network.hosts;
  const [program = '', ...prefix] = operator?.prefix ?? [];
  const before = processorTimes();
  const { seconds } = await timed(program, [
    ...[...prefix, process.execPath, bin, 'images', 'import', archive, '--relay', 'auto'],
    ...['--nodes', hosts.map(({ name, address }) => `${name}=${address}`).join(',')],
    ...['--ca-file', authority.caFile, '--token-file', token],
  ]);
  const after = processorTimes();
  return { seconds, cpu: 1 - (after.idle - before.idle) / (after.all - before.all) };
}

/** The whole archive by curl, to so many nodes at a time. */
async function uploading({ network, authority, token, archive }: Cluster, atOnce: number) {
  const [operator, ...hosts] = network.hosts;
  const [program = '', ...prefix] = operator?.prefix ?? [];
  const bearer = readFileSync(token, 'utf8').trim();
  const begun = performance.now();
  const queue = [...hosts];
  const worker = async () => {
    for (let host = queue.shift(); host !== undefined; host = queue.shift()) {
      const url = `https://imgctl-agent:25000/v1/images/import`;
      await timed(program, [
        ...[...prefix, 'curl', '-sSf', '--resolve', `imgctl-agent:25000:${host.address}`],
        ...[
          '--cacert',
          authority.caFile,
          '-H',
          `Authorization: Bearer ${bearer}`,
          '-T',
          archive,
          '-X',
          'POST',
          url,
        ],
      ]);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return { seconds: (performance.now() - begun) / 1000 };
}

function processorTimes(): { readonly idle: number; readonly all: number } {
  const [, ...times] = (readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '').split(/\s+/).map(Number);
  return { idle: (times[3] ?? 0) + (times[4] ?? 0), all: times.reduce((sum, time) => sum + time, 0) };
}
