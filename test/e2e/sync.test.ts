import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { writeArchive } from '../bench/archive.ts';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import { runCli } from '../support/cli.ts';
import { anyArchive, makeMicrok8sCluster, startMicrok8sAgent } from '../support/microk8s-agent.ts';

/** What some nodes have, all get, without an archive: the real program and real agents. */

const bytes = 8 * 1024 * 1024;
const name = 'docker.io/library/synced:1';
let dir: string;
let archive: string;
let other: string;
let second: string;
let token: string;
const agents: AgentProcess[] = [];
const stores: string[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'imgctl-test-sync-'));
  [archive, other, token] = [join(dir, 'image.tar'), join(dir, 'other.tar'), join(dir, 'token')];
  await writeFile(token, `${'t'.repeat(32)}\n`, { mode: 0o600 });
  await writeArchive(archive, name, 4, bytes);
  await writeArchive(other, name, 2, bytes / 4);
  second = join(dir, 'second.tar');
  await writeArchive(second, 'docker.io/library/second:1', 2, bytes / 4);
});
afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.stop();
  stores.length = 0;
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function nodes(count: number): Promise<void> {
  for (let i = 1; i <= count; i += 1) {
    const store = await mkdtemp(join(dir, `n${i}-`));
    stores.push(store);
    agents.push(await startAgent({ store: `oci:${store}`, name: `n${i}`, args: ['--token-file', token] }));
  }
}
const allNodes = () => agents.map(({ address }, i) => `n${i + 1}=${address}`).join(',');
const run = (...args: string[]) => runOn(allNodes(), ...args);
const runOn = async (nodes: string, ...args: string[]) => {
  const common = ['--token-file', token, '--output', 'json', '--nodes', nodes];
  const { status, stdout } = await runCli(['images', ...args, ...common]);
  return { status, result: JSON.parse(stdout) };
};
const importInto = (node: string, file: string) =>
  runCli([
    ...['images', 'import', file, '--token-file', token, '--quiet'],
    ...['--nodes', `${agents[Number(node.slice(1)) - 1]?.address}`],
  ]);

/** A way to an agent that is killed, SIGKILL, once it gave so many bytes. */
async function dyingAfter(bytes: number, agent: AgentProcess) {
  let given = 0;
  let isDead = false;
  const server = createServer((socket) => {
    const there = connect(agent.port, '127.0.0.1');
    for (const end of [socket, there])
      end.on('error', () => {}).on('close', () => [socket, there].map((both) => both.destroy()));
    socket.pipe(there);
    there.on('data', (chunk) => {
      given += chunk.byteLength;
      if (given > bytes && !isDead) {
        isDead = true;
        void agent.kill('SIGKILL');
      }
      if (!isDead) socket.write(chunk);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    address: `127.0.0.1:${address.port}`,
    isDead: () => isDead,
    [Symbol.dispose]: () => void server.close(),
  };
}

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

  it('refuses a node that takes whole archives only, and brings the others everything', async () => {
    await nodes(2);
    await importInto('n1', archive);
    await using cluster = await makeMicrok8sCluster();
    await using snap = await startMicrok8sAgent({ cluster, importer: anyArchive });
    const { status, result } = await runOn(`${allNodes()},snap=${snap.url.origin}`, 'sync');
    expect(status).toBe(3);
    expect(result.nodes).toMatchObject([
      { node: 'n1', status: 'unchanged' },
      { node: 'n2', status: 'imported' },
      {
        node: 'snap',
        status: 'refused',
        error: {
          code: 'node_not_agent',
          message: expect.stringContaining('takes whole archives only'),
          hint: expect.stringContaining('imgctl images import'),
        },
      },
    ]);
    expect(snap.requests.filter(({ method }) => method === 'POST')).toEqual([]);
  });

  it('ends when the only node that has a layer dies meanwhile, and says which layer and who lacks it', async () => {
    await nodes(2);
    await importInto('n1', archive);
    const [giver] = agents;
    if (giver === undefined) throw new Error('no agent');
    using way = await dyingAfter(bytes / 4, giver);
    const { status, result } = await runOn(
      `n1=${way.address},n2=${agents[1]?.address}`,
      ...['sync', '--to', 'n2', '--retries', '1'],
    );
    expect([status, way.isDead()]).toEqual([1, true]);
    expect(result.nodes).toMatchObject([
      {
        node: 'n2',
        status: 'failed',
        error: {
          code: 'node_unreachable',
          message: expect.stringMatching(/^no peer served sha256:[0-9a-f]{64}: /),
          hint: expect.stringContaining('when the node that has it is back'),
          context: { node: 'n2', digest: expect.stringMatching(/^sha256:/) },
        },
      },
    ]);
  }, 60_000);

  it('leaves out an image that cannot be read where it is, and brings the others', async () => {
    await nodes(2);
    await importInto('n1', archive);
    await importInto('n1', second);
    const { result: listed } = await run('list');
    const { digest } = listed.nodes[0].images.find(({ name }: { name: string }) => name.includes('second'));
    const blob = (digest: string) => join(stores[0] ?? '', 'blobs', 'sha256', digest.slice(7));
    const { config } = JSON.parse(await readFile(blob(digest), 'utf8'));
    await writeFile(blob(config.digest), Buffer.alloc(config.size, '{'));
    const { status, result } = await run('sync');
    expect(status).toBe(3);
    expect(result).toMatchObject({
      error: {
        code: 'digest_mismatch',
        message: expect.stringContaining('docker.io/library/second:1 cannot be read on n1'),
      },
      nodes: [
        { node: 'n1', status: 'unchanged' },
        { node: 'n2', status: 'imported', images: [{ name, state: 'ready' }] },
      ],
    });
  });

  it("takes what the context's defaults say", async () => {
    await nodes(2);
    await importInto('n1', archive);
    const config = join(dir, 'config.yaml');
    const context = { nodes: allNodes().split(','), tokenFile: token, defaults: { pin: true, relay: 'off' } };
    await writeFile(config, JSON.stringify({ currentContext: 'here', contexts: { here: context } }));
    expect(await runCli(['images', 'sync', '--config', config])).toMatchObject({ status: 0 });
    const { result } = await run('list');
    expect(result.nodes[1].images).toMatchObject([{ name, pinned: true }]);
  });
});
