import { randomBytes } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import { runCli } from '../support/cli.ts';
import { type ContainerdDaemon, startContainerd } from '../support/containerd/daemon.ts';
import { busyboxDockerArchive, busyboxOciArchive } from '../support/images.ts';
import { containerdGenerations } from '../support/require-containerd.ts';

/** The main job as a user does it: the real program, real agents, real containerd of every generation, at once. */

const alpine = fileURLToPath(new URL('../../../shared/archives/alpine-3.10.tar.gz', import.meta.url));
const alpineName = 'docker.io/library/alpine:3.10';

describe.skipIf(containerdGenerations.length === 0)(
  'images import onto nodes of every generation of containerd',
  () => {
    const daemons: ContainerdDaemon[] = [];
    const agents: AgentProcess[] = [];
    let directory: string;
    let nodes: string;
    let tokenFile: string;

    beforeAll(async () => {
      directory = await mkdtemp(join(tmpdir(), 'imgctl-test-main-job-'));
      tokenFile = join(directory, 'token');
      await writeFile(tokenFile, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
      for (const generation of containerdGenerations) {
        const daemon = await startContainerd(generation);
        daemons.push(daemon);
        const name = `node-${generation.name}`;
        agents.push(
          await startAgent({ store: `containerd:${daemon.socket}`, name, args: ['--token-file', tokenFile] }),
        );
      }
      nodes = agents.map(({ address }, i) => `node-${containerdGenerations[i]?.name}=${address}`).join(',');
    }, 120_000);

    afterAll(async () => {
      for (const agent of agents) await agent.stop();
      for (const daemon of daemons) await daemon.stop();
      await rm(directory, { recursive: true, force: true });
    });

    function importing(...args: string[]): string[] {
      return ['images', 'import', '--nodes', nodes, '--token-file', tokenFile, ...args];
    }

    it.skipIf(!existsSync(alpine))('brings a real archive to all nodes, where its programs run', async () => {
      const { status, stdout, stderr } = await runCli(
        importing('--output', 'json', '--wire-compression', 'none'),
        { inputFile: alpine },
      );
      expect(stderr).toBe('');
      expect(status).toBe(0);
      const result = JSON.parse(stdout);
      expect(result).toMatchObject({
        ok: true,
        archive: { images: [{ name: alpineName, platforms: ['linux/amd64'] }], blobs: 3 },
        nodes: containerdGenerations.map(({ name }) => ({
          node: `node-${name}`,
          status: 'imported',
          images: [{ name: alpineName, state: 'ready' }],
          bytesSkipped: 0,
        })),
      });
      for (const { bytesSent, bytesFromPeers } of result.nodes)
        expect(bytesSent + bytesFromPeers).toBeGreaterThanOrEqual(result.archive.bytes);
      for (const daemon of daemons) {
        expect(
          await daemon.runContainer('k8s.io', alpineName, ['/bin/busybox', 'cat', '/etc/alpine-release']),
        ).toBe('3.10.4\n');
        expect(await daemon.leases('k8s.io')).toEqual([]);
        expect(await daemon.ingests('k8s.io')).toEqual([]);
      }
    });

    it.skipIf(!existsSync(alpine))(
      'sends no blob of what is there already, and calls it unchanged',
      async () => {
        const { status, stdout } = await runCli(importing('--output', 'json'), { inputFile: alpine });
        expect(status).toBe(0);
        const { archive, nodes: outcomes } = JSON.parse(stdout);
        for (const outcome of outcomes) {
          expect(outcome).toMatchObject({ status: 'unchanged', bytesSent: 0, bytesSkipped: archive.bytes });
        }
      },
    );

    it('takes an archive from a pipe, shows a line a node as MicroK8s does, and leaves no spool behind', async () => {
      const archive = await busyboxDockerArchive(directory, { tag: 'registry.example.com/team/box:1' });
      const spool = await mkdtemp(join(directory, 'spool-'));
      const { status, stderr, stdout } = await runCli(importing('--spool-dir', spool), {
        input: createReadStream(archive),
      });
      expect(status).toBe(0);
      for (const { address } of agents) expect(stderr).toContain(`Pushing OCI images to ${address}`);
      for (const { name } of containerdGenerations) expect(stdout).toContain(`node-${name}`);
      expect(await readdir(spool)).toEqual([]);
      for (const daemon of daemons) {
        expect(
          await daemon.runContainer('k8s.io', 'registry.example.com/team/box:1', ['/bin/echo', 'it', 'runs']),
        ).toBe('it runs\n');
      }
    });

    it('warns, once, of images that pods would still try to pull', async () => {
      const archive = await busyboxOciArchive(directory, { tag: 'registry.example.com/team/box:latest' });
      const { status, stderr } = await runCli(importing(), { inputFile: archive });
      expect(status).toBe(0);
      expect(stderr.match(/imagePullPolicy: IfNotPresent/g)).toHaveLength(1);
      expect(stderr).toContain('registry.example.com/team/box:latest');
    });

    it('lists what each node has, and removes an image from every node', async () => {
      const archive = await busyboxOciArchive(directory, { tag: 'registry.example.com/team/gone:1' });
      await runCli(importing('--pin'), { inputFile: archive });
      const listed = await runCli([
        'images',
        'list',
        '--nodes',
        nodes,
        '--token-file',
        tokenFile,
        '--output',
        'json',
      ]);
      expect(listed.status).toBe(0);
      for (const { images } of JSON.parse(listed.stdout).nodes) {
        expect(images).toContainEqual(
          expect.objectContaining({ name: 'registry.example.com/team/gone:1', pinned: true }),
        );
      }
      const removed = await runCli([
        'images',
        'rm',
        'registry.example.com/team/gone:1',
        '--nodes',
        nodes,
        '--token-file',
        tokenFile,
      ]);
      expect(removed.status).toBe(0);
      for (const daemon of daemons) {
        const { stdout } = await daemon.ctr(['-n', 'k8s.io', 'images', 'ls', '-q']);
        expect(stdout).not.toContain('registry.example.com/team/gone');
      }
    });

    it('imports what it is told to dry-run nowhere', async () => {
      const archive = await busyboxOciArchive(directory, { tag: 'registry.example.com/team/dry:1' });
      const { status, stdout } = await runCli(importing('--dry-run'), { inputFile: archive });
      expect(status).toBe(0);
      expect(stdout).toContain(`node-${containerdGenerations[0]?.name}`);
      for (const daemon of daemons) {
        const { stdout: images } = await daemon.ctr(['-n', 'k8s.io', 'images', 'ls', '-q']);
        expect(images).not.toContain('team/dry');
      }
    });

    it('leaves a node that is down to itself: the others have everything, and the status is 3', async () => {
      const archive = await busyboxOciArchive(directory, { tag: 'registry.example.com/team/partial:1' });
      const [first] = agents;
      await first?.kill('SIGKILL');
      try {
        const args = importing('--retries', '0', '--output', 'json');
        const { status, stdout } = await runCli(args, { inputFile: archive });
        expect(status).toBe(3);
        const [down, ...others] = JSON.parse(stdout).nodes;
        expect(down).toMatchObject({
          status: 'refused',
          error: { code: 'node_unreachable', hint: expect.stringContaining('imgctl agent run') },
        });
        for (const other of others) expect(other.status).toBe('imported');
      } finally {
        await first?.restart();
      }
      const again = await runCli(importing('--output', 'json'), { inputFile: archive });
      expect(again.status).toBe(0);
      expect(JSON.parse(again.stdout).nodes.map(({ status }: { status: string }) => status)).toEqual([
        'imported',
        ...agents.slice(1).map(() => 'unchanged'),
      ]);
    });
  },
);
