import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeTestAuthority, type TestAuthority } from '../support/agent-certificates.ts';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import { becomes } from '../support/becomes.ts';
import { type CliOptions, runCli } from '../support/cli.ts';
import { type ContainerdDaemon, startContainerd } from '../support/containerd/daemon.ts';
import { busyboxOciArchive } from '../support/images.ts';
import { makeNetwork, type Network, type NetworkHost } from '../support/network.ts';
import {
  type DockerRegistry,
  hasRegistry,
  startRegistry,
  user,
} from '../support/registry/docker-registry.ts';
import { containerdGenerations } from '../support/require-containerd.ts';

/**
 * The whole road as a user goes it. A pipeline that reaches a registry, which wants a password over TLS, makes a bundle of
 * what a manifest names. At the site, hosts on a network of their own, nobody reaches that registry.
 */

const run = promisify(execFile);
const hello = fileURLToPath(new URL('../../fixtures/hello.tar', import.meta.url));

describe.skipIf(containerdGenerations.length === 0 || !hasRegistry)('from CI over an air gap', () => {
  const daemons: ContainerdDaemon[] = [];
  const agents: AgentProcess[] = [];
  let dir: string;
  let registryAuthority: TestAuthority;
  let siteAuthority: TestAuthority;
  let registry: DockerRegistry;
  let site: Network;
  /** What each image of the manifest does when it runs. */
  let programs: readonly (readonly [image: string, argv: readonly string[], says: string])[];
  let ci: CliOptions;
  let operator: CliOptions;

  const at = (name: string) => join(dir, name);

  async function startNode(daemon: ContainerdDaemon, host: NetworkHost, ...args: string[]): Promise<void> {
    const tls = await siteAuthority.issue(host.name);
    const store = `containerd:${daemon.socket}`;
    const token = ['--token-file', at('token')];
    agents.push(await startAgent({ store, name: host.name, host, tls, args: [...token, ...args] }));
  }

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'imgctl-e2e-air-gap-'));
    [registryAuthority, siteAuthority] = (await Promise.all(['registry', 'site'].map(makeTestAuthority))) as [
      TestAuthority,
      TestAuthority,
    ];
    const tls = await registryAuthority.issue('registry', { names: ['127.0.0.1'], usages: ['server'] });
    registry = await startRegistry({ login: true, tls });
    const box = await busyboxOciArchive(dir, { tag: 'docker.io/library/box:1' });
    await Promise.all([
      registry.pushArchive(hello, 'shop/web:2.4'),
      registry.pushArchive(box, 'shop/migrate:7'),
      registry.pushArchive(box, 'tools/report:1'),
    ]);
    const image = (name: string) => `${registry.host}/${name}`;
    programs = [
      [image('shop/web:2.4'), ['/hello'], 'Hello from an image'],
      [image('shop/migrate:7'), ['/bin/echo', 'migrated'], 'migrated'],
      [image('tools/report:1'), ['/bin/sh', '-c', 'echo reported'], 'reported'],
    ];
    await writeFile(at('token'), `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
    await writeFile(
      at('registries.yaml'),
      `configs: {'${registry.host}': {auth: ${JSON.stringify(user)}, tls: {ca_file: ${registryAuthority.caFile}}}}\n`,
    );
    await writeFile(
      at('app.yaml'),
      `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    spec:
      initContainers: [{name: migrate, image: '${image('shop/migrate:7')}'}]
      containers: [{name: web, image: '${image('shop/web:2.4')}'}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: report, namespace: tools}
spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: main, image: '${image('tools/report:1')}'}]}}}}}
`,
    );
    ci = { cwd: dir };
    const names = ['operator', ...containerdGenerations.map(({ name }) => `node-${name}`), 'edge'];
    site = await makeNetwork(names);
    const [desk, ...hosts] = site.hosts as [NetworkHost, ...NetworkHost[]];
    operator = { cwd: dir, prefix: desk.prefix };
    const [newest] = containerdGenerations.slice(-1);
    for (const generation of [...containerdGenerations, newest])
      if (generation !== undefined) daemons.push(await startContainerd(generation));
    for (const [i, host] of hosts.slice(0, -1).entries())
      await startNode(daemons[i] as ContainerdDaemon, host);
  }, 180_000);

  afterAll(async () => {
    for (const agent of agents) await agent.stop();
    for (const daemon of daemons) await daemon.stop();
    for (const each of [site, registry, registryAuthority, siteAuthority])
      await each?.[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });

  const create = (...args: string[]) =>
    runCli(['bundle', 'create', '-f', 'app.yaml', '--registries', 'registries.yaml', ...args], ci);

  const importing = (inputFile: string, ...args: string[]) => {
    const trust = ['--token-file', 'token', '--ca-file', siteAuthority.caFile];
    const nodes = ['--nodes', agents.map(({ address }) => address).join()];
    return runCli(['images', 'import', ...nodes, ...trust, '--output', 'json', ...args], {
      ...operator,
      inputFile: at(inputFile),
    });
  };

  /** Names and digests, without those that a node gives by digest alone. */
  async function imagesOf(daemon: ContainerdDaemon): Promise<string[]> {
    const { stdout } = await daemon.ctr(['-n', 'k8s.io', 'images', 'ls']);
    const rows = stdout.split('\n').map((line) => line.split(/\s+/));
    return rows
      .filter(([name = '']) => name.includes('/') && !name.includes('@'))
      .map(([name, , digest]) => `${name} ${digest}`)
      .toSorted();
  }

  async function runAll(daemon: ContainerdDaemon): Promise<void> {
    for (const [image, argv, says] of programs)
      expect(await daemon.runContainer('k8s.io', image, [...argv])).toContain(says);
  }

  it('makes a bundle of what the manifest names, plain and signed', async () => {
    expect(await runCli(['bundle', 'keygen', 'release'], ci)).toMatchObject({ status: 0 });
    const plain = await create('-o', 'app.tar.zst');
    expect(plain).toMatchObject({ status: 0, stderr: '' });
    expect(plain.stdout).toContain('Wrote 3 images');
    expect(plain.stdout).not.toContain(user.password);
    expect(await create('--sign', 'release.key', '-o', 'signed.tar.zst')).toMatchObject({ status: 0 });
  });

  it('finds no registry at the site', async () => {
    const { prefix } = operator;
    const [program = '', ...rest] = [...(prefix ?? []), 'curl', '-sk', '-m', '5', `${registry.url}/v2/`];
    await expect(run(program, rest)).rejects.toMatchObject({ code: 7 });
  });

  it('sends nothing of a bundle that another key signed, or nobody', async () => {
    expect(await runCli(['bundle', 'keygen', 'other'], ci)).toMatchObject({ status: 0 });
    for (const [file, key] of [
      ['signed.tar.zst', 'other.pub'],
      ['app.tar.zst', 'release.pub'],
    ] as const) {
      const refused = await importing(file, '--verify-key', key);
      expect(JSON.parse(refused.stdout).error.code).toBe('signature_invalid');
      expect(refused.status).toBe(5);
    }
    for (const daemon of daemons)
      expect((await daemon.ctr(['-n', 'k8s.io', 'content', 'ls', '-q'])).stdout).toBe('');
  });

  it('brings all images onto every node, where a container of each runs, and asks no registry', async () => {
    const asked = registry.requests().length;
    const { status, stdout } = await importing('signed.tar.zst', '--verify-key', 'release.pub');
    const statuses = (text: string) => JSON.parse(text).nodes.map((node: { status: string }) => node.status);
    expect(statuses(stdout)).toEqual(agents.map(() => 'imported'));
    expect(status).toBe(0);
    for (const daemon of daemons.slice(0, agents.length)) await runAll(daemon);
    // Without the signature it is the same
    expect(statuses((await importing('app.tar.zst')).stdout)).toEqual(agents.map(() => 'unchanged'));
    expect(registry.requests().slice(asked)).toEqual([]);
  });

  it('gives a node the same images by its images directory', async () => {
    const [edge] = site.hosts.slice(-1) as [NetworkHost];
    const daemon = daemons.at(-1) as ContainerdDaemon;
    await mkdir(at('images'));
    await startNode(daemon, edge, '--images-dir', at('images'));
    await copyFile(at('app.tar.zst'), at('images/.copying'));
    await rename(at('images/.copying'), at('images/app.tar.zst'));
    const others = await Promise.all(daemons.slice(0, -1).map(imagesOf));
    const [first] = others as [string[], ...string[][]];
    expect(first).toHaveLength(programs.length);
    for (const images of others) expect(images).toEqual(first);
    expect(
      await becomes(
        () => imagesOf(daemon),
        (images) => images.length === first.length,
      ),
    ).toEqual(first);
    await runAll(daemon);
  });
});
