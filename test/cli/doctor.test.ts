import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runChecks } from '../../src/cli/doctor/check.ts';
import { gcDanger } from '../../src/deploy/doctor/image-disk.ts';
import { kubeletThresholds } from '../../src/deploy/doctor/kubelet-thresholds.ts';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import { runCli } from '../support/cli.ts';
import { script } from '../support/fake-systemd.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'imgctl-doctor-test-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function file(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(dir, path)), { recursive: true });
  await writeFile(join(dir, path), text);
}

interface Checks {
  readonly ok: boolean;
  readonly checks: readonly { status: string; what: string; detail: string; hint?: string }[];
}

describe('imgctl doctor', () => {
  const agents: AgentProcess[] = [];
  afterEach(async () => {
    await Promise.all(agents.splice(0).map((agent) => agent.stop()));
  });

  const env = () => ({
    HOME: dir,
    XDG_CONFIG_HOME: join(dir, 'config'),
    XDG_STATE_HOME: join(dir, 'state'),
    CONTAINERD_ADDRESS: join(dir, 'nowhere.sock'),
  });
  const doctor = (...args: string[]) => runCli(['doctor', '--root', dir, ...args], { env: env() });
  const checks = async (...args: string[]) => {
    const { status, stdout, stderr } = await doctor(...args, '--output', 'json');
    return { status, stderr, ...(JSON.parse(stdout) as Checks) };
  };
  const agentOf = async (name: string, token: string) => {
    const args = ['--token-file', token];
    const agent = await startAgent({ store: `oci:${join(dir, name)}`, name, args });
    agents.push(agent);
    return agent;
  };

  it('says so when nothing is there, with what to do, and fails', async () => {
    const { status, stdout } = await doctor('--nodes', '127.0.0.1:1');
    expect(stdout).toMatch(/^ok {4}imgctl/m);
    expect(stdout).toMatch(/^fail {2}containerd .*no containerd was found/m);
    expect(stdout).toMatch(/^warn {2}token .*none found\n {6}Hint: imgctl init/m);
    expect(stdout).toMatch(/^fail {2}node 127\.0\.0\.1:1 .*nothing listens there/m);
    expect(stdout).toMatch(/\d+ ok, \d+ to look at, 2 failed/);
    expect(status).toBe(1);
  });

  it('finds nothing wrong with nodes that answer and reach each other', async () => {
    await file('token', `${'t'.repeat(32)}\n`);
    const token = join(dir, 'token');
    const nodes = [await agentOf('node-1', token), await agentOf('node-2', token)];
    const list = nodes.map(({ address }, i) => `node-${i + 1}=http://${address}`).join(',');
    const { status, checks: found, ok } = await checks('--nodes', list, '--token-file', token);
    const what = (name: string) => found.find((check) => check.what === name);
    expect(what('node node-1')).toMatchObject({ status: 'ok', detail: expect.stringContaining('imgctl ') });
    expect(what('clock of node-2')).toMatchObject({ status: 'ok' });
    expect(what('peers of node-1')).toMatchObject({ status: 'ok', detail: 'reaches the other' });
    expect(what('peers of node-2')).toMatchObject({ status: 'ok' });
    // This machine passes for a node as all of them are on loopback, and has no containerd
    expect(found.filter((check) => check.status === 'fail').map((check) => check.what)).toEqual([
      'containerd',
    ]);
    expect([ok, status]).toEqual([false, 1]);
  });

  it('tells a node that does not let us in from one that is down', async () => {
    await file('token', `${'t'.repeat(32)}\n`);
    await file('wrong', `${'w'.repeat(32)}\n`);
    const { address } = await agentOf('node-1', join(dir, 'token'));
    const { checks: found, status } = await checks(
      ...['--nodes', `http://${address},127.0.0.1:1`, '--token-file', join(dir, 'wrong')],
    );
    const details = found.filter(({ what }) => what.startsWith('node ')).map(({ detail }) => detail);
    expect(details[0]).toMatch(/token/);
    expect(details[1]).toContain('nothing listens there');
    expect(status).toBe(1);
  });

  it('warns of a token that every user can read, and counts the days of certificates', async () => {
    await runCli(['init'], { env: env() });
    await file('open-token', `${'t'.repeat(32)}\n`);
    const { checks: found } = await checks('--nodes', '127.0.0.1:1', '--token-file', join(dir, 'open-token'));
    expect(found.find(({ what }) => what === 'token')).toMatchObject({
      status: 'warn',
      detail: expect.stringContaining('every user'),
    });
    const certificates = found.filter(({ what }) => what === 'certificates');
    expect(certificates).toHaveLength(2);
    expect(certificates[0]).toMatchObject({
      status: 'ok',
      detail: expect.stringMatching(/valid for \d{4} days/),
    });
  });

  it('says that a configuration is wrong, and looks at the rest all the same', async () => {
    const { checks: found, status } = await checks('--nodes', 'not/a/node');
    expect(found.find(({ what }) => what === 'nodes')).toMatchObject({
      status: 'fail',
      hint: expect.any(String),
    });
    expect(found.map(({ what }) => what)).toContain('image garbage collection');
    expect(status).toBe(1);
  });

  it('ends although containerd, systemctl and the API server say nothing', async () => {
    const mute = createServer().listen(join(dir, 'nowhere.sock'));
    const api = createServer().listen(0, '127.0.0.1');
    await Promise.all([mute, api].map((server) => once(server, 'listening')));
    const { port } = api.address() as AddressInfo;
    const cluster = { server: `https://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true };
    await file(
      'kubeconfig',
      JSON.stringify({
        ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'a' },
        clusters: [{ name: 'a', cluster }],
        users: [{ name: 'a', user: { token: 'x' } }],
        contexts: [{ name: 'a', context: { cluster: 'a', user: 'a' } }],
      }),
    );
    await file('etc/systemd/system/imgctl-agent.service', '[Service]\nExecStart=x\n');
    await mkdir(join(dir, 'bin'));
    await script(join(dir, 'bin/systemctl'), 'sleep 60');
    const begun = Date.now();
    try {
      const { status, stdout } = await runCli(
        ['doctor', '--root', dir, '--kubeconfig', join(dir, 'kubeconfig'), '--output', 'json'],
        { env: { ...env(), PATH: `${join(dir, 'bin')}:${process.env.PATH}` } },
      );
      const { checks: all } = JSON.parse(stdout) as Checks;
      expect(status).toBe(1);
      expect(all.find(({ what }) => what === 'containerd')).toMatchObject({
        status: 'fail',
        detail: 'it does not answer',
        hint: expect.stringContaining('systemctl status containerd'),
      });
      for (const name of ['nodes', 'agent service'])
        expect(all.find(({ what }) => what === name)).toMatchObject({ status: 'fail' });
      // Two lots of checks follow one another, 10 s each
      expect(Date.now() - begun).toBeLessThan(26_000);
    } finally {
      mute.close();
      api.close();
    }
  }, 40_000);

  it('names a service that was installed and does not run', async () => {
    await file('etc/systemd/system/imgctl-agent.service', '[Unit]\n');
    await mkdir(join(dir, 'bin'));
    await script(join(dir, 'bin/systemctl'), 'exit 3');
    const { stdout } = await runCli(['doctor', '--root', dir, '--nodes', '127.0.0.1:1'], {
      env: { ...env(), PATH: `${join(dir, 'bin')}:${process.env.PATH}` },
    });
    expect(stdout).toMatch(
      /^fail {2}agent service .*does not run\n {6}Hint: See journalctl -u imgctl-agent/m,
    );
  });

  it('tells a check that throws, and hides no other', async () => {
    const results = await runChecks(
      [
        { what: 'a', run: async () => Promise.reject(new Error('broken')) },
        { what: 'b', run: async () => ({ status: 'ok', detail: 'fine' }) },
      ],
      new AbortController().signal,
    );
    expect(results).toMatchObject([
      { what: 'a', status: 'fail', detail: 'broken' },
      { what: 'b', status: 'ok' },
    ]);
  });
});

describe("the kubelet's thresholds", () => {
  it('are unknown where there is no kubelet, and its own defaults where nothing else is said', async () => {
    expect(await kubeletThresholds(dir)).toBeUndefined();
    await file('var/lib/kubelet/config.yaml', 'kind: KubeletConfiguration\n');
    expect(await kubeletThresholds(dir)).toEqual({ high: 85, low: 80 });
  });

  it.each([
    [
      'kubeadm',
      'var/lib/kubelet/config.yaml',
      'imageGCHighThresholdPercent: 70\nimageGCLowThresholdPercent: 60\n',
    ],
    [
      'K3s, a list',
      'etc/rancher/k3s/config.yaml',
      'kubelet-arg:\n  - "image-gc-high-threshold=70"\n  - image-gc-low-threshold=60\n',
    ],
    [
      'MicroK8s',
      'var/snap/microk8s/current/args/kubelet',
      '--x=y\n--image-gc-high-threshold=70\n--image-gc-low-threshold 60\n',
    ],
  ])('are read as each distribution keeps them: %s', async (_, path, text) => {
    await file(path, text);
    expect(await kubeletThresholds(dir)).toEqual({ high: 70, low: 60, from: `/${path}` });
  });

  it('are the defaults where the flag is one only', async () => {
    await file('etc/rancher/rke2/config.yaml', 'kubelet-arg: image-gc-high-threshold=90\n');
    expect(await kubeletThresholds(dir)).toEqual({
      high: 90,
      low: 80,
      from: '/etc/rancher/rke2/config.yaml',
    });
  });

  it('say which file makes no sense', async () => {
    await file('var/lib/kubelet/config.yaml', 'a: [');
    expect(await kubeletThresholds(dir)).toMatchObject({
      high: 85,
      unreadable: '/var/lib/kubelet/config.yaml',
    });
  });

  it.each([
    [50, 85, 'none'],
    [79, 85, 'none'],
    [80, 85, 'near'],
    [85, 85, 'above'],
    [99, 100, 'none'],
  ])('are in danger of being reached: %i per cent of %i', (used, high, danger) => {
    expect(gcDanger(used, { high })).toBe(danger);
  });
});
