import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeImages } from '../bench/archive.ts';
import { makeLayer } from '../bench/layers.ts';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import { runCli } from '../support/cli.ts';
import { type ContainerdDaemon, startContainerd } from '../support/containerd/daemon.ts';
import { busyboxOciArchive } from '../support/images.ts';
import { containerdGenerations } from '../support/require-containerd.ts';

/** What one node of a real cluster has, the others get from it: two generations of containerd, each a node. */

const generations = containerdGenerations.slice(-2);
const box = 'registry.example.com/team/box:1';
const data = 'registry.example.com/team/data:1';
const other = 'registry.example.com/team/other:1';

describe.skipIf(generations.length < 2)('images sync between nodes with real containerd', () => {
  const daemons: ContainerdDaemon[] = [];
  const agents: AgentProcess[] = [];
  let directory: string;
  let cluster: string[];
  const here = () => daemons[0] as ContainerdDaemon;
  const there = () => daemons[1] as ContainerdDaemon;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'imgctl-test-sync-containerd-'));
    const tokenFile = join(directory, 'token');
    await writeFile(tokenFile, `${'t'.repeat(32)}\n`, { mode: 0o600 });
    for (const generation of generations) {
      const daemon = await startContainerd(generation);
      daemons.push(daemon);
      const args = ['--token-file', tokenFile];
      agents.push(
        await startAgent({ store: `containerd:${daemon.socket}`, name: `n${daemons.length}`, args }),
      );
    }
    const nodes = agents.map(({ address }, i) => `n${i + 1}=${address}`).join(',');
    cluster = ['--token-file', tokenFile, '--nodes', nodes];
  }, 120_000);
  afterAll(async () => {
    for (const agent of agents) await agent.stop();
    for (const daemon of daemons) await daemon.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const importHere = async (archive: string) => {
    const args = ['images', 'import', ...cluster, '--exclude', 'n2', '--quiet'];
    expect(await runCli(args, { inputFile: archive })).toMatchObject({ status: 0 });
  };

  it('brings an image whose programs then run', async () => {
    await importHere(await busyboxOciArchive(directory, { tag: box }));
    const { status, stdout } = await runCli(['images', 'sync', ...cluster, '--output', 'json']);
    expect(status).toBe(0);
    expect(JSON.parse(stdout).nodes).toMatchObject([
      { node: 'n1', status: 'unchanged' },
      { node: 'n2', status: 'imported', images: [{ name: box, state: 'ready' }] },
    ]);
    expect(await there().runContainer('k8s.io', box, ['/bin/echo', 'it runs'])).toBe('it runs\n');
    for (const daemon of daemons) {
      expect(await daemon.leases('k8s.io')).toEqual([]);
      expect(await daemon.ingests('k8s.io')).toEqual([]);
    }
  }, 60_000);

  it('leaves out an image with a layer that is there unpacked alone, says so, and brings the others', async () => {
    const layer = makeLayer(2 * 1024 * 1024);
    const archive = join(directory, 'data.tar');
    await writeImages(archive, [
      { name: data, layers: [layer] },
      { name: other, layers: [makeLayer(2 * 1024 * 1024)] },
    ]);
    await importHere(archive);
    // As containerd does by itself with discard_unpacked_layers
    expect(await here().ctr(['-n', 'k8s.io', 'content', 'rm', layer.digest])).toMatchObject({ status: 0 });

    const { status, stdout, stderr } = await runCli(['images', 'sync', ...cluster]);

    expect(status).toBe(3);
    expect(stderr).toContain(`left out: no node holds the layer ${layer.digest.slice(0, 19)}`);
    expect(stdout).toMatch(/\n2 of 2 nodes have everything but what was left out \(\d images?\)\.\n$/);
    const images = async (daemon: ContainerdDaemon) =>
      (await daemon.ctr(['-n', 'k8s.io', 'images', 'ls', '-q'])).stdout;
    expect(await images(there())).toContain(other);
    expect(await images(there())).not.toContain(data);

    const again = await runCli(['images', 'sync', ...cluster, '--output', 'json']);
    expect(again.status).toBe(3);
    expect(JSON.parse(again.stdout)).toMatchObject({
      ok: false,
      error: { code: 'blob_unknown', context: { image: data, digest: layer.digest, node: 'n2' } },
      nodes: [{ status: 'unchanged' }, { status: 'unchanged' }],
    });
    const alone = await runCli(['images', 'sync', data, ...cluster, '--output', 'json']);
    expect(alone.status).toBe(4);
    expect(JSON.parse(alone.stdout).error).toMatchObject({ code: 'blob_unknown' });
  }, 60_000);
});
