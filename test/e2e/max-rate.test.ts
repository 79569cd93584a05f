import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import { ociLayout, randomImage, tarOf } from '../support/archives.ts';
import { runCli } from '../support/cli.ts';
import { anyArchive, makeMicrok8sCluster, startMicrok8sAgent } from '../support/microk8s-agent.ts';

/** The real program and real agents. What is measured is that it was not faster; a busy machine may be slower. */

const burst = (rate: number) => Math.max(8192, rate / 20);
const leastMs = (bytes: number, rate: number) => ((bytes - burst(rate)) / rate) * 1000;

let dir: string;
let token: string;
const agents: AgentProcess[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'imgctl-test-rate-'));
  token = join(dir, 'token');
  await writeFile(token, `${'t'.repeat(32)}\n`, { mode: 0o600 });
  for (const name of ['n1', 'n2', 'n3'])
    agents.push(
      await startAgent({
        store: `oci:${join(dir, name)}`,
        name,
        args: ['--token-file', token, '--max-rate', '80M'],
      }),
    );
});
afterAll(async () => {
  for (const agent of agents.splice(0)) await agent.stop();
  await rm(dir, { recursive: true, force: true });
});

async function archiveOf(name: string, layers: number, layerSize: number): Promise<string> {
  const image = await randomImage({ layers, layerSize, seed: name });
  const path = join(dir, `${name}.tar`);
  await writeFile(path, await tarOf(ociLayout([{ image, name: `docker.io/library/${name}:1` }])));
  return path;
}

const nodes = (count: number) =>
  agents
    .slice(0, count)
    .map(({ address }, i) => `n${i + 1}=${address}`)
    .join(',');

async function importing(archive: string, count: number, ...args: string[]) {
  const { status, stdout } = await runCli([
    ...['images', 'import', archive, '--token-file', token, '--output', 'json'],
    ...['--nodes', nodes(count), ...args],
  ]);
  return { status, result: JSON.parse(stdout) };
}

describe('images import --max-rate', () => {
  it('bounds what goes to all nodes together', async () => {
    const archive = await archiveOf('each', 2, 500_000);
    const { status, result } = await importing(archive, 2, '--relay', 'off', '--max-rate', '8M');
    expect(status).toBe(0);
    expect(result.durationMs).toBeGreaterThanOrEqual(leastMs(2_000_000, 1_000_000));
  });

  it('bounds what goes to nodes that pass it on to each other', async () => {
    const archive = await archiveOf('relayed', 3, 500_000);
    const { status, result } = await importing(archive, 3, '--relay', 'auto', '--max-rate', '8M');
    expect(status).toBe(0);
    expect(result.durationMs).toBeGreaterThanOrEqual(leastMs(1_500_000, 1_000_000));
  });

  it('bounds what a node sends to one that joins later', async () => {
    const archive = await archiveOf('later', 2, 800_000);
    await importing(archive, 1);
    const { status, result } = await importing(archive, 2, '--relay', 'auto', '--max-rate', '8M');
    expect([status, result.nodes[1].bytesFromPeers >= 1_600_000]).toEqual([0, true]);
    expect(result.durationMs).toBeGreaterThanOrEqual(leastMs(1_600_000, 1_000_000));
  });

  it('may be so low that nothing moves for longer than the stall timeout', async () => {
    const archive = await archiveOf('slow', 2, 12_000);
    const { status, result } = await importing(
      archive,
      2,
      ...['--relay', 'off', '--max-rate', '100k', '--stall-timeout', '500ms', '--retries', '0'],
    );
    expect(result.nodes.map(({ status }: { status: string }) => status)).toEqual(['imported', 'imported']);
    expect(status).toBe(0);
    expect(result.durationMs).toBeGreaterThanOrEqual(leastMs(48_000, 12_500));
  });

  it('is refused where it is too low for so many nodes at once', async () => {
    const many = Array.from({ length: 25 }, (_, i) => `127.0.0.${i + 1}:1`).join(',');
    const archive = await archiveOf('many', 1, 1000);
    const args = ['images', 'import', archive, '--token-file', token, '--nodes', many, '--max-rate', '100k'];
    const { status, stderr } = await runCli([...args, '--relay', 'off']);
    expect(status).toBe(2);
    expect(stderr).toContain('--max-rate is too low to send to 25 nodes at once');
    expect(stderr).toContain('Give 103k or more');
  });

  it('bounds whole archives for MicroK8s too', async () => {
    await using cluster = await makeMicrok8sCluster();
    await using agent = await startMicrok8sAgent({ cluster, importer: anyArchive });
    const archive = await archiveOf('whole', 1, 1_000_000);
    const args = ['images', 'import', archive, '--nodes', agent.url.origin, '--output', 'json'];
    const { status, stdout } = await runCli([...args, '--max-rate', '8M'], {
      env: { SNAP_DATA: cluster.snapData, HOME: dir },
    });
    expect(status).toBe(0);
    expect(JSON.parse(stdout).nodes[0].durationMs).toBeGreaterThanOrEqual(leastMs(1_000_000, 1_000_000));
  });
});
