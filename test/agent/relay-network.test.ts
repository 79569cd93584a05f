import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import type { PutResult } from '../../src/agent-api/schemas.ts';
import { makeTestAuthority } from '../support/agent-certificates.ts';
import { type RunningCli, startCli } from '../support/cli.ts';
import { makeNetwork, type NetworkHost } from '../support/network.ts';
import { starved } from './relay-route.ts';

const run = promisify(execFile);
const sender = fileURLToPath(new URL('../support/send-blob.ts', import.meta.url));
const MB = 1_000_000;

interface Sent {
  readonly seconds: number;
  readonly digest: string;
  readonly result: PutResult;
}

interface Lab {
  readonly hosts: readonly NetworkHost[];
  readonly agents: readonly RunningCli[];
  /** Sends so many bytes from a host of its own along all agents. */
  send(bytes: number): Promise<Sent>;
  hasWhole(agent: number, digest: string): boolean;
  /** What its store takes up. */
  bytesAt(agent: number): Promise<number>;
}

/** Agents in processes and on hosts of their own, links of this rate, TLS. */
async function withAgents(count: number, rateMbit: number, work: (lab: Lab) => Promise<void>): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'imgctl-relay-network-'));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const names = Array.from({ length: count }, (_, i) => `n${i}`);
  const network = stack.use(await makeNetwork(['sender', ...names], { rateMbit }));
  const [operator, ...hosts] = network.hosts;
  const authority = stack.use(await makeTestAuthority());
  const { certFile, keyFile } = await authority.issue('agent');
  const token = join(directory, 'token');
  await writeFile(token, `${'t'.repeat(43)}\n`, { mode: 0o600 });
  const storeOf = (name: string) => join(directory, name);
  const agents = await Promise.all(
    hosts.map(async ({ name, address, prefix }) => {
      await mkdir(storeOf(name));
      const agent = startCli(
        [
          ...[
            'agent',
            'run',
            '--listen',
            `${address}:25000`,
            '--name',
            name,
            '--store',
            `oci:${storeOf(name)}`,
          ],
          ...['--token-file', token, '--data-dir', directory, '--ca-file', authority.caFile],
          ...['--tls-cert', certFile, '--tls-key', keyFile],
        ],
        { prefix, timeoutMs: 120_000 },
      );
      stack.defer(async () => {
        agent.kill('SIGKILL');
        await agent.result;
      });
      for (const until = Date.now() + 30_000; Date.now() < until; await sleep(50))
        if (agent.printed().stderr.includes('"agent ready"')) return agent;
      throw new Error(`an agent did not become ready: ${agent.printed().stderr}`);
    }),
  );
  await work({
    hosts,
    agents,
    async send(bytes) {
      const [program = '', ...prefix] = operator?.prefix ?? [];
      const { stdout } = await run(program, [
        ...[...prefix, process.execPath, sender, String(bytes), authority.caFile, token],
        ...hosts.map(({ name, address }) => `${name}=${address}:25000`),
      ]);
      return JSON.parse(stdout);
    },
    async bytesAt(agent) {
      const files = await readdir(storeOf(`n${agent}`), { recursive: true, withFileTypes: true });
      const sizes = files.map(async (file) => (await stat(join(file.parentPath, file.name))).size);
      return (await Promise.all(sizes.map((size) => size.catch(() => 0)))).reduce(
        (sum, size) => sum + size,
        0,
      );
    },
    hasWhole: (agent, digest) => existsSync(join(storeOf(`n${agent}`), 'blobs', ...digest.split(':'))),
  });
}

const unhurried = { ...starved, timeout: 120_000 };

it('a route of three takes about as long as one link does', unhurried, () =>
  withAgents(3, 100, async ({ send, hasWhole }) => {
    const { seconds, digest, result } = await send(25 * MB);

    expect(result.error).toBeUndefined();
    expect(result.relay.map(({ ok }) => ok)).toEqual([true, true]);
    expect([0, 1, 2].map((i) => hasWhole(i, digest))).toEqual([true, true, true]);
    process.stderr.write(`25 MB along 3 hosts at 100 Mbit/s: ${seconds.toFixed(2)} s; S/B is 2.00 s\n`);
    expect(seconds).toBeLessThan(2.5 * 2);
  }),
);

it('a host that is ten times slower is cut off, and those before it are not slowed for long', unhurried, () =>
  withAgents(3, 100, async ({ hosts, send, hasWhole }) => {
    await hosts[2]?.limit(10);

    const { seconds, digest, result } = await send(50 * MB);

    expect(result.relay).toMatchObject([{ ok: true }, { ok: false, error: { code: 'node_stalled' } }]);
    expect([0, 1].map((i) => hasWhole(i, digest))).toEqual([true, true]);
    process.stderr.write(
      `50 MB past a host at 10 Mbit/s: ${seconds.toFixed(2)} s; S/B is 4.00 s, of that host 40 s\n`,
    );
    expect(seconds).toBeLessThan(12);
  }),
);

it('an agent that is killed half-way leaves those before it undisturbed', () =>
  withAgents(3, 100, async ({ agents, send, hasWhole, bytesAt }) => {
    const sending = send(25 * MB);
    while ((await bytesAt(1)) < 5 * MB) await sleep(20);
    agents[1]?.kill('SIGKILL');

    const { digest, result } = await sending;

    expect(result.error).toBeUndefined();
    expect(result.relay).toMatchObject([
      { node: 'n1', ok: false, error: { code: 'node_unreachable' } },
      { node: 'n2', ok: false, error: { code: 'interrupted', context: { brokenAt: 'n1' } } },
    ]);
    expect(hasWhole(0, digest)).toBe(true);
  }));
