import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../support/cli.ts';
import { type KubeApi, kubeconfigOf, kubeNode, kubeUser, startKubeApi } from '../support/kube-api.ts';

/** Which nodes a command speaks to. Nothing listens on port 1 of any address here: the nodes' names are what counts. */
describe('finding the nodes', () => {
  let dir: string;
  let api: KubeApi;
  let kubeconfig: string;
  let configFile: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'imgctl-finding-test-'));
    api = await startKubeApi();
    api.nodes = ['cp', 'w1', 'w2'].map((name, i) =>
      kubeNode(name, { addresses: [['InternalIP', `127.0.4.${i + 1}`]] }),
    );
    kubeconfig = join(dir, 'kubeconfig');
    await writeFile(kubeconfig, kubeconfigOf(api, await kubeUser(api)));
    configFile = join(dir, 'config.yaml');
    const contexts = {
      list: { nodes: ['c1=127.0.0.1:1'] },
      kube: { discover: 'kubernetes', exclude: ['cp'] },
    };
    await writeFile(configFile, JSON.stringify({ currentContext: 'list', contexts }));
  });
  afterAll(async () => {
    await api?.[Symbol.asyncDispose]();
    if (dir) await rm(dir, { recursive: true, force: true });
  });

  const list = (args: string[], env: Record<string, string> = {}) =>
    runCli(['images', 'list', '--agent-port', '1', ...args], { env: { KUBECONFIG: kubeconfig, ...env } });
  const names = async (args: string[], env?: Record<string, string>) => {
    const { stdout } = await list([...args, '--output', 'json'], env);
    return JSON.parse(stdout).nodes.map(({ node }: { node: string }) => node);
  };

  it('is Kubernetes where a kubeconfig is found, and says so', async () => {
    expect(await names([])).toEqual(['cp', 'w1', 'w2']);
    expect((await list([])).stderr).toContain('3 nodes of Kubernetes (context prod, server');
  });

  it('is the first of --nodes, IMGCTL_NODES, the context, Kubernetes, and the agent of this machine', async () => {
    const env = { IMGCTL_NODES: 'e1=127.0.0.1:1', IMGCTL_CONFIG: configFile };
    expect(await names(['--nodes', 'o1=127.0.0.1:1'], env)).toEqual(['o1']);
    expect(await names([], env)).toEqual(['e1']);
    expect(await names([], { IMGCTL_CONFIG: configFile })).toEqual(['c1']);
    expect(await names([])).toEqual(['cp', 'w1', 'w2']);
    expect(await names([], { KUBECONFIG: '/dev/null' })).toEqual(['127.0.0.1']);
  });

  it('is forced by --discover, and by IMGCTL_DISCOVER before the context', async () => {
    const env = { IMGCTL_NODES: 'e1=127.0.0.1:1', IMGCTL_CONFIG: configFile };
    expect(await names(['--discover', 'kubernetes'], env)).toEqual(['cp', 'w1', 'w2']);
    expect(await names(['--discover', 'local'], env)).toEqual(['127.0.0.1']);
    expect(await names([], { IMGCTL_DISCOVER: 'kubernetes', IMGCTL_CONFIG: configFile })).toEqual([
      ...['cp', 'w1', 'w2'],
    ]);
  });

  it('is narrowed by names and addresses', async () => {
    expect(await names(['--discover', 'kubernetes', '--nodes', 'w2,127.0.4.1'])).toEqual(['cp', 'w2']);
    expect(await names(['--exclude', 'w1,w2'])).toEqual(['cp']);
    expect(await names([], { IMGCTL_CONFIG: configFile, IMGCTL_CONTEXT: 'kube' })).toEqual(['w1', 'w2']);
  });

  it.each([
    [['--discover', 'kubernetes', '--nodes', 'w3,w1,db'], 'there are no nodes "w3", "db" among the 3'],
    [['--exclude', 'w9'], 'there is no node "w9" among the 3'],
  ])('refuses names that the cluster does not have: %j', async (args, told) => {
    const { status, stderr } = await list(args);
    expect(stderr).toContain(`Error [node_unknown]: ${told}`);
    expect(stderr).toContain('There are: cp, w1, w2.');
    expect(status).toBe(4);
  });

  it('does not pass over a kubeconfig that is named for nodes that are listed', async () => {
    const { status, stderr } = await list(['--kubeconfig', kubeconfig], { IMGCTL_NODES: 'e1=127.0.0.1:1' });
    expect(stderr).toContain('--kubeconfig is for Kubernetes, but the nodes come from IMGCTL_NODES');
    expect(stderr).toContain('Add --discover kubernetes');
    expect(status).toBe(2);
  });

  it('does not fall back to this machine where Kubernetes was asked for', async () => {
    for (const args of [
      ['--discover', 'kubernetes'],
      ['--selector', 'a=b'],
    ]) {
      const { status, stderr } = await list(args, { KUBECONFIG: '/dev/null' });
      expect(stderr).toContain('Error [discovery_failed]: no kubeconfig was found');
      expect(status).toBe(4);
    }
  });
});
