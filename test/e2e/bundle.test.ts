import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import { runCli } from '../support/cli.ts';
import { type ContainerdDaemon, startContainerd } from '../support/containerd/daemon.ts';
import { busyboxDockerArchive } from '../support/images.ts';
import { containerdGenerations } from '../support/require-containerd.ts';

/** The road of a bundle as a user goes it: a key, a signed bundle of what a manifest names, and onto every node. */

const hello = fileURLToPath(new URL('../../fixtures/hello.tar', import.meta.url));
const names = ['docker.io/imgctl/hello:1.0', 'registry.example.com/box:2'] as const;
const manifest = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      initContainers: [{name: first, image: 'registry.example.com/box:2'}]
      containers: [{name: main, image: 'imgctl/hello:1.0'}]
`;

describe.skipIf(containerdGenerations.length === 0)('a signed bundle onto nodes without a network', () => {
  const daemons: ContainerdDaemon[] = [];
  const agents: AgentProcess[] = [];
  let dir: string;
  let bundle: string;
  let nodes: string[];

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'imgctl-e2e-bundle-'));
    const tokenFile = join(dir, 'token');
    await writeFile(tokenFile, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
    for (const generation of containerdGenerations) {
      const daemon = await startContainerd(generation);
      daemons.push(daemon);
      const store = `containerd:${daemon.socket}`;
      agents.push(await startAgent({ store, name: generation.name, args: ['--token-file', tokenFile] }));
    }
    nodes = ['--nodes', agents.map(({ address }) => address).join(','), '--token-file', tokenFile];
    const box = await busyboxDockerArchive(dir, { tag: names[1] });
    expect(await runCli(['bundle', 'keygen', 'site'], { cwd: dir })).toMatchObject({ status: 0 });
    bundle = join(dir, 'app.tar.zst');
    const from = ['--from-archive', hello, '--from-archive', box];
    const made = await runCli(['bundle', 'create', '-f', '-', ...from, '--sign', 'site.key', '-o', bundle], {
      cwd: dir,
      input: Buffer.from(manifest),
    });
    expect(made).toMatchObject({ status: 0, stderr: '' });
  }, 120_000);

  afterAll(async () => {
    for (const agent of agents) await agent.stop();
    for (const daemon of daemons) await daemon.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const importing = (...args: string[]) => ['images', 'import', ...nodes, '--output', 'json', ...args];

  it('is refused, with nothing sent to anybody, when a byte of its index is another', async () => {
    const plain = join(dir, 'plain.tar');
    const from = ['--from-archive', bundle, '--sign', 'site.key'];
    expect((await runCli(['bundle', 'create', ...from, '-o', plain], { cwd: dir })).status).toBe(0);
    const bytes = await readFile(plain);
    bytes.write('hullo', bytes.indexOf('hello:1.0'));
    for (const input of [bytes, undefined]) {
      await writeFile(plain, bytes);
      const { stdout, status } = await runCli(
        importing('--verify-key', join(dir, 'site.pub')),
        input === undefined ? { inputFile: plain } : { input },
      );
      expect(JSON.parse(stdout).error.code).toBe('signature_invalid');
      expect(status).toBe(5);
    }
    for (const daemon of daemons) {
      const { stdout } = await daemon.ctr(['-n', 'k8s.io', 'content', 'ls', '-q']);
      expect(stdout).toBe('');
    }
  });

  it('comes through a pipe onto all, where a container of each image runs', async () => {
    const { stdout, status } = await runCli(importing('--verify-key', join(dir, 'site.pub')), {
      input: createReadStream(bundle),
    });
    expect(JSON.parse(stdout)).toMatchObject({
      ok: true,
      archive: { images: names.map((name) => ({ name })) },
      nodes: containerdGenerations.map(() => ({ status: 'imported' })),
    });
    expect(status).toBe(0);
    for (const daemon of daemons) {
      expect(await daemon.runContainer('k8s.io', names[0], ['/hello'])).toContain('Hello from an image');
      expect(await daemon.runContainer('k8s.io', names[1], ['/bin/busybox', 'echo', 'here'])).toBe('here\n');
    }
  });

  it('is taken by an agent as it is, and is there already', async () => {
    const [agent] = agents as [AgentProcess];
    const token = (await readFile(join(dir, 'token'), 'utf8')).trim();
    const answer = await fetch(`http://${agent.address}/v1/images/import`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: new Uint8Array(await readFile(bundle)),
    });
    const events = (await answer.text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events.at(-1)).toMatchObject({ type: 'done' });
    const { stdout, status } = await runCli(importing(bundle));
    expect(JSON.parse(stdout).nodes).toMatchObject(
      containerdGenerations.map(() => ({ status: 'unchanged' })),
    );
    expect(status).toBe(0);
  });
});
