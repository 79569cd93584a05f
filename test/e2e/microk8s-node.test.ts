import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startAgent } from '../support/agent-process.ts';
import { ociLayout, randomImage, tarOf } from '../support/archives.ts';
import { runCli } from '../support/cli.ts';
import { kubeconfigOf, kubeNode, kubeUser, startKubeApi } from '../support/kube-api.ts';
import {
  anyArchive,
  goArchitecture,
  makeMicrok8sCluster,
  startMicrok8sAgent,
} from '../support/microk8s-agent.ts';

/** MicroK8s's files, where the snap has them, for one command alone: a mount namespace is its own. */
function onNodeWith(snapData: string): string[] {
  const script =
    'mount -t tmpfs none /var && mkdir -p /var/snap/microk8s && ln -s "$1" /var/snap/microk8s/current && shift && exec "$@"';
  return ['unshare', '-m', '--propagation', 'private', 'sh', '-c', script, 'sh', snapData];
}

it.skipIf(process.getuid?.() !== 0)(
  'images import, as root on a MicroK8s node, needs no option for nodes of MicroK8s and of ours',
  async () => {
    await using stack = new AsyncDisposableStack();
    const home = await mkdtemp(join(tmpdir(), 'imgctl-test-microk8s-node-'));
    stack.defer(() => rm(home, { recursive: true, force: true }));
    const cluster = stack.use(await makeMicrok8sCluster());
    const archive = join(home, 'bundle.tar');
    const image = await randomImage({ platform: `linux/${goArchitecture}` });
    await writeFile(archive, await tarOf(ociLayout([{ image, name: 'docker.io/library/box:1' }])));
    expect(await runCli(['init'], { env: { HOME: home } })).toMatchObject({ status: 0 });
    const trust = (file: string) => join(home, '.config/imgctl', file);
    const own = await startAgent({
      store: `oci:${join(home, 'store')}`,
      args: ['--token-file', trust('token')],
      tls: { certFile: trust('agent.crt'), keyFile: trust('agent.key') },
    });
    stack.defer(() => own.stop());
    const listen = { host: '127.0.0.2', port: own.port };
    const agent = stack.use(
      await startMicrok8sAgent({ cluster, importer: anyArchive, names: ['127.0.0.2'], ...listen }),
    );
    const api = stack.use(await startKubeApi());
    api.nodes = Object.entries({ dead: '127.0.0.3', ours: '127.0.0.1', snap: '127.0.0.2' }).map(
      ([name, address]) => kubeNode(name, { addresses: [['InternalIP', address]], nodeInfo: thisMachine }),
    );
    await writeFile(
      join(cluster.snapData, 'credentials', 'client.config'),
      kubeconfigOf(api, await kubeUser(api)),
    );

    const { status, stdout, stderr } = await runCli(['images', 'import', '--output', 'json'], {
      inputFile: archive,
      prefix: onNodeWith(cluster.snapData),
      // Every agent of this test is on this machine: the port tells them from those of other tests
      env: { HOME: home, KUBECONFIG: '', IMGCTL_AGENT_PORT: String(own.port) },
    });

    expect(JSON.parse(stdout).nodes, stderr).toMatchObject([
      { node: 'dead', status: 'refused', error: { code: 'node_unreachable' } },
      { node: 'ours', status: 'imported' },
      { node: 'snap', status: 'imported' },
    ]);
    expect(status).toBe(3);
    expect(agent.requests).toContainEqual(expect.objectContaining({ method: 'POST', token: cluster.token }));
  },
  60_000,
);

const thisMachine = {
  architecture: goArchitecture,
  operatingSystem: 'linux',
  containerRuntimeVersion: 'containerd://1.7.24',
};
