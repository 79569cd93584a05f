import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import { ociLayout, tarOf } from '../support/archives.ts';
import { imageOf, seededBytes } from '../support/blobs.ts';
import { runCli } from '../support/cli.ts';
import { startContainerd } from '../support/containerd/daemon.ts';
import { describeContainerd } from '../support/require-containerd.ts';

/** Layers that compress, and one that does not, over the wire: the real program and real agents. */

const mebibyte = 1024 * 1024;
const textBytes = 12 * mebibyte;
const noiseBytes = 2 * mebibyte;
let dir: string;
let archive: string;
let token: string;
const agents: AgentProcess[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'imgctl-test-wire-'));
  archive = join(dir, 'image.tar');
  token = join(dir, 'token');
  await writeFile(token, `${'t'.repeat(32)}\n`, { mode: 0o600 });
  const lines = (name: string) =>
    Array.from({ length: 400_000 }, (_, i) => `${name} ${i * i}: what is in this line\n`)
      .join('')
      .slice(0, textBytes / 2);
  const image = imageOf([lines('one'), lines('two'), seededBytes('noise', noiseBytes)]);
  const blobs = image.blobs.map(({ descriptor, bytes }) => ({ descriptor, bytes: Buffer.from(bytes) }));
  const name = 'docker.io/library/wired:1';
  await writeFile(archive, await tarOf(ociLayout([{ name, image: { target: image.target, blobs } }])));
});
afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.stop();
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function agentNamed(name: string, store?: string): Promise<void> {
  const directory = store ?? `oci:${await mkdtemp(join(dir, `${name}-`))}`;
  agents.push(await startAgent({ store: directory, name, args: ['--token-file', token] }));
}

async function importing(...args: string[]) {
  const nodes = agents.map(({ address }, i) => `n${i + 1}=${address}`).join(',');
  const { status, stdout, stderr } = await runCli([
    ...['images', 'import', archive, '--token-file', token, '--output', 'json', '--nodes', nodes, ...args],
  ]);
  const result = JSON.parse(stdout) as {
    nodes: { status: string; bytesSent: number; bytesFromPeers: number }[];
  };
  return {
    status,
    stderr,
    statuses: result.nodes.map(({ status }) => status),
    sent: result.nodes.reduce((sum, { bytesSent }) => sum + bytesSent, 0),
  };
}

describe('images import --wire-compression', () => {
  it.each(['off', 'auto'])('zstd sends the text smaller to three nodes (--relay %s)', async (relay) => {
    for (const name of ['n1', 'n2', 'n3']) await agentNamed(name);
    const { status, statuses, sent, stderr } = await importing(
      '--relay',
      relay,
      '--wire-compression',
      'zstd',
    );
    expect([status, statuses], stderr).toEqual([0, ['imported', 'imported', 'imported']]);
    expect(sent).toBeLessThan(3 * (noiseBytes * 1.01 + textBytes / 3));
    expect((await importing('--relay', relay)).statuses).toEqual(['unchanged', 'unchanged', 'unchanged']);
  });

  it('none sends everything as it is', async () => {
    await agentNamed('n1');
    const { statuses, sent } = await importing('--wire-compression', 'none');
    expect(statuses).toEqual(['imported']);
    expect(sent).toBeGreaterThan(textBytes + noiseBytes);
  });

  it('auto brings everything, and never sends more than that', async () => {
    await agentNamed('n1');
    const { statuses, sent } = await importing();
    expect(statuses).toEqual(['imported']);
    expect(sent).toBeLessThan(1.01 * (textBytes + noiseBytes));
  });
});

describeContainerd('compressed layers into containerd', (generation) => {
  it('are there as they should be', async () => {
    const daemon = await startContainerd(generation);
    try {
      await agentNamed('n1', `containerd:${daemon.socket}`);
      const { status, statuses, sent, stderr } = await importing('--wire-compression', 'zstd');
      expect([status, statuses], stderr).toEqual([0, ['imported']]);
      expect(sent).toBeLessThan(noiseBytes * 1.01 + textBytes / 3);
    } finally {
      for (const agent of agents.splice(0)) await agent.stop();
      await daemon.stop();
    }
  }, 90_000);
});
