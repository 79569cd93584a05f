import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeTestAuthority } from '../support/agent-certificates.ts';
import { type CliOptions, type RunningCli, runCli, startCli } from '../support/cli.ts';
import { type ContainerdDaemon, startContainerd } from '../support/containerd/daemon.ts';
import { busyboxOciArchive } from '../support/images.ts';
import { makeNetwork, type Network, type NetworkHost } from '../support/network.ts';
import { describeContainerd } from '../support/require-containerd.ts';

/**
 * A cluster as its operator has it: hosts with addresses of their own, an API server that lists them, agents with the
 * certificates of `imgctl init`, and on the operator's own host nothing but ~/.config/imgctl and ~/.kube/config.
 */
describeContainerd('a cluster of three nodes on an untrusted network', (generation) => {
  const workers = ['worker-1', 'worker-2', 'worker-3'];
  const image = 'docker.io/library/busybox-test:1';
  const daemons: ContainerdDaemon[] = [];
  const agents = new Map<string, RunningCli>();
  let directory: string;
  let network: Network;
  let operator: CliOptions & { readonly env: { readonly HOME: string } };
  let apiServer: ChildProcess;
  let archive: string;

  const hostOf = (name: string): NetworkHost => {
    const host = network.hosts.find((host) => host.name === name);
    if (host === undefined) throw new Error(`no host ${name}`);
    return host;
  };
  const trustOf = (name: string) => join(directory, name, 'etc');

  async function startAgent(name: string, daemon: ContainerdDaemon): Promise<void> {
    const trust = trustOf(name);
    const running = startCli(
      [
        ...['agent', 'run', '--listen', `${hostOf(name).address}:25000`, '--name', name],
        ...['--store', `containerd:${daemon.socket}`, '--data-dir', join(directory, name, 'data')],
        ...['--tls-cert', join(trust, 'agent.crt'), '--tls-key', join(trust, 'agent.key')],
        ...['--token-file', join(trust, 'token')],
      ],
      { prefix: hostOf(name).prefix, timeoutMs: 300_000 },
    );
    agents.set(name, running);
    for (const until = Date.now() + 20_000; Date.now() < until; await sleep(50))
      if (running.printed().stderr.includes('"agent ready"')) return;
    throw new Error(`the agent did not become ready: ${running.printed().stderr}`);
  }

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'imgctl-test-cluster-'));
    archive = await busyboxOciArchive(directory, { tag: image });
    network = await makeNetwork(['operator', 'control', ...workers]);
    const home = join(directory, 'home');
    await mkdir(join(home, '.kube'), { recursive: true });
    operator = { prefix: hostOf('operator').prefix, env: { HOME: home, KUBECONFIG: '' } };
    expect(await runCli(['init'], operator)).toMatchObject({ status: 0 });
    for (const name of workers) {
      await mkdir(trustOf(name), { recursive: true, mode: 0o700 });
      for (const file of ['ca.crt', 'agent.crt', 'agent.key', 'token'])
        await copyFile(join(home, '.config/imgctl', file), join(trustOf(name), file));
      const daemon = await startContainerd(generation);
      daemons.push(daemon);
      await startAgent(name, daemon);
    }
    const [program, ...prefix] = hostOf('control').prefix;
    apiServer = spawn(
      program,
      [
        ...prefix,
        process.execPath,
        fileURLToPath(new URL('../support/kube-api-process.ts', import.meta.url)),
        ...[hostOf('control').address, '6443', join(home, '.kube')],
        ...workers.map((name) => `${name}=${hostOf(name).address}`),
      ],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    for (const until = Date.now() + 20_000; Date.now() < until; await sleep(50))
      if (existsSync(join(home, '.kube/kubeconfig'))) break;
    await copyFile(join(home, '.kube/kubeconfig'), join(home, '.kube/config'));
  }, 120_000);

  afterAll(async () => {
    apiServer.kill('SIGKILL');
    for (const agent of agents.values()) {
      agent.kill('SIGKILL');
      await agent.result;
    }
    for (const daemon of daemons) await daemon.stop();
    await network[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  it('gets the images with no option at all, and they run on every node', async () => {
    const { status, stdout, stderr } = await runCli(['images', 'import'], {
      ...operator,
      inputFile: archive,
    });
    expect(stderr).toContain('3 nodes of Kubernetes (context prod, server https://');
    expect(stdout).toContain('Imported 1 image into 3 nodes');
    expect(status).toBe(0);
    for (const daemon of daemons)
      expect(await daemon.runContainer('k8s.io', image, ['/bin/sh', '-c', 'echo runs'])).toBe('runs\n');
  });

  it('is listed with what Kubernetes and the agents say', async () => {
    const { status, stdout } = await runCli(['nodes', 'list', '--output', 'json'], operator);
    expect(status).toBe(0);
    expect(JSON.parse(stdout).nodes).toMatchObject(
      workers.map((node) => ({ node, ready: true, runtime: 'containerd://1.7.24', trust: 'tls' })),
    );
  });

  it('tells of a node whose certificate is a stranger’s, and shows it no token; the others go on', async () => {
    const stranger = 'worker-2';
    await using authority = await makeTestAuthority('a stranger');
    const { certFile, keyFile } = await authority.issue('agent');
    agents.get(stranger)?.kill('SIGKILL');
    await agents.get(stranger)?.result;
    await copyFile(certFile, join(trustOf(stranger), 'agent.crt'));
    await copyFile(keyFile, join(trustOf(stranger), 'agent.key'));
    await startAgent(stranger, daemons[1] as ContainerdDaemon);
    const { status, stdout, stderr } = await runCli(
      ['images', 'import', '--output', 'json', '--tag', 'docker.io/library/busybox-test:2'],
      { ...operator, inputFile: archive },
    );
    expect(status).toBe(3);
    const { nodes } = JSON.parse(stdout);
    expect(nodes).toMatchObject([
      { node: 'worker-1', status: 'imported' },
      { node: 'worker-2', error: { code: 'node_untrusted' } },
      { node: 'worker-3', status: 'imported' },
    ]);
    // What it is, is looked at without a token; the images and the token it never sees
    const told = agents.get(stranger)?.printed().stderr ?? '';
    expect(told).toContain('the request has none');
    expect(told).not.toContain('the token is not');
    expect(told).not.toContain('import ended');
    expect(stderr).toBe('');
  });
});
