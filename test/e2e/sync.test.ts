import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { writeArchive } from '../bench/archive.ts';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import { runCli } from '../support/cli.ts';

/** What some nodes have, all get, without an archive: the real program and real agents. */

const bytes = 8 * 1024 * 1024;
const name = 'docker.io/library/synced:1';
let dir: string;
let archive: string;
let other: string;
let token: string;
const agents: AgentProcess[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'imgctl-test-sync-'));
  [archive, other, token] = [join(dir, 'image.tar'), join(dir, 'other.tar'), join(dir, 'token')];
  await writeFile(token, `${'t'.repeat(32)}\n`, { mode: 0o600 });
  await writeArchive(archive, name, 4, bytes);
  await writeArchive(other, name, 2, bytes / 4);
});
afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.stop();
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function nodes(count: number): Promise<void> {
  for (let i = 1; i <= count; i += 1) {
    const store = await mkdtemp(join(dir, `n${i}-`));
    agents.push(await startAgent({ store: `oci:${store}`, name: `n${i}`, args: ['--token-file', token] }));
  }
}
const allNodes = () => agents.map(({ address }, i) => `n${i + 1}=${address}`).join(',');
const run = async (...args: string[]) => {
  const common = ['--token-file', token, '--output', 'json', '--nodes', allNodes()];
  const { status, stdout } = await runCli(['images', ...args, ...common]);
  return { status, result: JSON.parse(stdout) };
};
const importInto = (node: string, file: string) =>
  runCli([
    ...['images', 'import', file, '--token-file', token, '--quiet'],
    ...['--nodes', `${agents[Number(node.slice(1)) - 1]?.address}`],
  ]);

describe('images sync', () => {
  it('brings what one node has to all, the layers from node to node, and then has nothing to do', async () => {
    await nodes(3);
    await importInto('n1', archive);
    const { status, result } = await run('sync', 'synced:1');
    expect([status, result.nodes.map(({ status }: { status: string }) => status)]).toEqual([
      0,
      ['unchanged', 'imported', 'imported'],
    ]);
    for (const node of result.nodes.slice(1)) {
      expect(node.bytesSent).toBeLessThan(0.01 * bytes);
      expect(node.bytesFromPeers).toBeGreaterThan(0.99 * bytes);
    }
    const again = await run('sync');
    expect(again.status).toBe(0);
    for (const node of again.result.nodes)
      expect(node).toMatchObject({ status: 'unchanged', bytesSent: 0, bytesFromPeers: 0 });
  });

  it('brings it to the nodes that --to names, and to no other', async () => {
    await nodes(3);
    await importInto('n1', archive);
    expect(await run('sync', '--to', 'n3')).toMatchObject({
      status: 0,
      result: { nodes: [{ node: 'n3', status: 'imported' }] },
    });
    const { result } = await run('list');
    expect(result.nodes.map(({ images }: { images: unknown[] }) => images.length)).toEqual([1, 0, 1]);
  });

  it('refuses a name that means different images, until --from says whose', async () => {
    await nodes(2);
    await importInto('n1', archive);
    await importInto('n2', other);
    const { status, result } = await run('sync', 'synced:1');
    expect(status).toBe(4);
    expect(result.error).toMatchObject({
      code: 'image_conflict',
      message: expect.stringMatching(/on n1; .* on n2/),
      hint: expect.stringContaining('--from NODE'),
    });
    expect(await run('sync', 'synced:1', '--from', 'n2')).toMatchObject({
      status: 0,
      result: { nodes: [{ node: 'n1', status: 'imported' }, { status: 'unchanged' }] },
    });
  });

  it('says which name or node is unknown, and that one node alone has nobody', async () => {
    await nodes(2);
    await importInto('n1', archive);
    expect(await run('sync', 'nowhere:1')).toMatchObject({
      status: 1,
      result: { error: { code: 'image_unknown' } },
    });
    expect(await run('sync', '--to', 'n9')).toMatchObject({
      status: 4,
      result: { error: { code: 'node_unknown' } },
    });
    expect(await run('sync', '--exclude', 'n2')).toMatchObject({
      status: 2,
      result: { error: { code: 'usage' } },
    });
  });

  it('shows beforehand what it would do, and does nothing', async () => {
    await nodes(2);
    await importInto('n1', archive);
    const { status, result } = await run('sync', '--dry-run');
    expect(status).toBe(0);
    // Manifest, config and four layers
    expect(result.nodes[1]).toMatchObject({ node: 'n2', blobs: 6 });
    expect((await run('list')).result.nodes[1].images).toEqual([]);
  });
});
