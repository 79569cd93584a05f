import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { writeArchive } from '../bench/archive.ts';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import { runCli, startCli } from '../support/cli.ts';

/** Nodes that pass on what they receive, and give what they have: the real program and real agents. */

const mebibyte = 1024 * 1024;
const bytes = 24 * mebibyte;
let dir: string;
let archive: string;
let token: string;
const agents: AgentProcess[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'imgctl-test-relay-'));
  archive = join(dir, 'image.tar');
  token = join(dir, 'token');
  await writeFile(token, `${'t'.repeat(32)}\n`, { mode: 0o600 });
  await writeArchive(archive, 'docker.io/library/relayed:1', 6, bytes);
});
afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.stop();
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function agentNamed(name: string): Promise<AgentProcess> {
  const store = await mkdtemp(join(dir, `${name}-`));
  const agent = await startAgent({ store: `oci:${store}`, name, args: ['--token-file', token] });
  agents.push(agent);
  return agent;
}

const importing = (output: 'json' | 'ndjson', ...args: string[]) => [
  ...['images', 'import', archive, '--token-file', token, '--output', output],
  ...['--nodes', agents.map(({ address }, i) => `n${i + 1}=${address}`).join(','), ...args],
];

interface Outcome {
  readonly node: string;
  readonly status: string;
  readonly bytesSent: number;
  readonly bytesFromPeers: number;
}
const sum = (nodes: readonly Outcome[], key: 'bytesSent' | 'bytesFromPeers') =>
  nodes.reduce((total, node) => total + node[key], 0);

describe('images import', () => {
  it('has nodes pass on to each other what it does not send to each, without being told to', async () => {
    for (const name of ['n1', 'n2', 'n3']) await agentNamed(name);
    const { status, stdout } = await runCli(importing('json'));
    const { nodes } = JSON.parse(stdout) as { nodes: Outcome[] };
    expect([status, nodes.map(({ status }) => status)]).toEqual([0, ['imported', 'imported', 'imported']]);
    // On loopback the processors are the limit, and a hop that they starve is cut off and fed anew: how often the source
    // sends a layer over links that are the limit is what the benchmark measures
    expect(sum(nodes, 'bytesSent')).toBeLessThan(2.9 * bytes);
    expect(sum(nodes, 'bytesFromPeers')).toBeGreaterThan(0);
  });

  it('sends a node that joins later nothing that the others have', async () => {
    for (const name of ['n1', 'n2']) await agentNamed(name);
    await runCli(importing('json'));
    await agentNamed('n3');
    const { status, stdout } = await runCli(importing('json'));
    const { nodes } = JSON.parse(stdout) as { nodes: Outcome[] };
    expect([status, nodes.map(({ status }) => status)]).toEqual([0, ['unchanged', 'unchanged', 'imported']]);
    expect(sum(nodes, 'bytesSent')).toBeLessThan(0.01 * bytes);
    expect(nodes[2]?.bytesFromPeers).toBeGreaterThan(0.99 * bytes);
  });

  it('sends everything to each without it', async () => {
    for (const name of ['n1', 'n2']) await agentNamed(name);
    const { status, stdout } = await runCli(importing('json', '--relay', 'off'));
    const { nodes } = JSON.parse(stdout) as { nodes: Outcome[] };
    expect(status).toBe(0);
    expect(sum(nodes, 'bytesSent')).toBeGreaterThan(2 * bytes);
    expect(sum(nodes, 'bytesFromPeers')).toBe(0);
  });

  it('goes on without a node that is killed half-way, whatever passed through it', async () => {
    for (const name of ['n1', 'n2', 'n3', 'n4']) await agentNamed(name);
    const running = startCli(importing('ndjson', '--retries', '1'));
    for (const until = Date.now() + 10_000; Date.now() < until; await sleep(5))
      if (/"type":"progress".*"receivedBytes":[1-9]/.test(running.printed().stdout)) break;
    await agents[1]?.kill('SIGKILL');
    const { status, stdout } = await running.result;
    expect(status).toBe(3);
    const outcomes = stdout
      .split('\n')
      .filter((line) => line.includes('"type":"outcome"'))
      .map((line) => JSON.parse(line) as Outcome);
    expect(
      outcomes
        .filter(({ status }) => status === 'imported')
        .map(({ node }) => node)
        .toSorted(),
    ).toEqual(['n1', 'n3', 'n4']);
  }, 90_000);
});
