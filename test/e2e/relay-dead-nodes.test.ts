import { execFile } from 'node:child_process';
import { mkdtemp, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { writeArchive } from '../bench/archive.ts';
import { type Cluster, type ClusterAgent, startCluster } from '../bench/cluster.ts';
import { startCli } from '../support/cli.ts';

/**
 * Nodes that die, hang or are cut off while others get blobs through them, without any retry: the bad ones are named,
 * with the reason, and all others have everything.
 */

const run = promisify(execFile);
const mebibyte = 1024 * 1024;
const nodes = 5;
/** At this rate an import takes about three seconds. */
const rateMbit = 60;

interface Trouble {
  readonly what: string;
  /** By their place among the nodes, from 0. */
  readonly whom: readonly number[];
  readonly afterMs: number;
  readonly code: 'node_unreachable' | 'node_stalled';
  strike(agent: ClusterAgent): Promise<unknown>;
  /** Lets the machine be cleaned up. */
  mend?(agent: ClusterAgent): Promise<unknown>;
}

const kill = (agent: ClusterAgent) => agent.kill();
const signalled = (signal: 'STOP' | 'CONT') => async (agent: ClusterAgent) => {
  for (const pid of await processesOf(agent)) process.kill(pid, `SIG${signal}`);
};

const troubles: readonly Trouble[] = [
  ...[0, 2, 4].map((i) => ({
    ...{ what: `node ${i + 1} of ${nodes} is killed`, whom: [i], afterMs: 1_200 },
    ...{ code: 'node_unreachable' as const, strike: kill },
  })),
  {
    ...{ what: 'two neighbours are killed at once', whom: [1, 2], afterMs: 1_000 },
    ...{ code: 'node_unreachable', strike: kill },
  },
  {
    ...{ what: 'a node is killed when nearly everything is there', whom: [3], afterMs: 2_800 },
    ...{ code: 'node_unreachable', strike: kill },
  },
  {
    ...{ what: 'a node hangs', whom: [1], afterMs: 1_200, code: 'node_stalled' },
    ...{ strike: signalled('STOP'), mend: signalled('CONT') },
  },
  {
    ...{ what: 'a node is cut off', whom: [3], afterMs: 1_200, code: 'node_stalled' },
    strike: ({ host }) => host.link('down'),
  },
];

/** The agent itself, not the command that put it into its namespace. */
async function processesOf({ name, host }: ClusterAgent): Promise<readonly number[]> {
  const { stdout } = await run('pgrep', ['-f', '--', `--listen ${host.address}:25000 --name ${name} `]);
  const namespace = await run('ip', ['netns', 'pids', host.prefix.at(-1) ?? '']);
  const inside = new Set(namespace.stdout.split('\n'));
  const pids = stdout.split('\n').filter((pid) => inside.has(pid));
  const programs = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/exe`).catch(() => '')));
  return pids.filter((_, i) => programs[i]?.includes('node')).map(Number);
}

async function importInto(cluster: Cluster, archive: string, trouble: Trouble) {
  const named = cluster.agents.map(({ name, host }) => `${name}=${host.address}`).join(',');
  const bad = cluster.agents.filter((_, i) => trouble.whom.includes(i));
  const running = startCli(
    [
      ...['images', 'import', archive, '--relay', 'auto', '--retries', '0', '--output', 'json'],
      ...['--nodes', named, '--ca-file', cluster.caFile, '--token-file', cluster.tokenFile],
    ],
    { prefix: cluster.operator.prefix, timeoutMs: 100_000 },
  );
  await sleep(trouble.afterMs);
  await Promise.all(bad.map((agent) => trouble.strike(agent)));
  const { stdout, stderr } = await running.result;
  for (const agent of bad) await trouble.mend?.(agent);
  if (!stdout.startsWith('{')) throw new Error(`no report: ${stdout}${stderr}`);
  return JSON.parse(stdout) as {
    readonly nodes: readonly { readonly node: string; readonly status: string; readonly error?: unknown }[];
  };
}

for (const trouble of troubles)
  it(`the others have everything when ${trouble.what}`, async () => {
    await using stack = new AsyncDisposableStack();
    const directory = await mkdtemp(join(tmpdir(), 'imgctl-test-dead-'));
    stack.defer(() => rm(directory, { recursive: true, force: true }));
    const archive = join(directory, 'image.tar');
    await writeArchive(archive, 'registry.example.com/dead:1', 8, 20 * mebibyte);
    const cluster = stack.use(await startCluster({ directory, nodes, rateMbit }));

    const { nodes: outcomes } = await importInto(cluster, archive, trouble);

    const good = outcomes.filter((_, i) => !trouble.whom.includes(i));
    expect(good.map(({ status, error }) => ({ status, error }))).toEqual(
      good.map(() => ({ status: 'imported', error: undefined })),
    );
    for (const i of trouble.whom) {
      const { status, error } = outcomes[i] ?? {};
      // One that was quick may have had everything before
      if (status !== 'imported') expect(error).toMatchObject({ code: trouble.code });
    }
  }, 120_000);
