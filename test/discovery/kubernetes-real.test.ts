import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findKubeconfig } from '../../src/discovery/kubernetes/find-kubeconfig.ts';
import { kubernetesDiscovery } from '../../src/discovery/kubernetes/kubernetes-discovery.ts';
import { makeTestAuthority, type TestAuthority } from '../support/agent-certificates.ts';
import { freePort } from '../support/agent-process.ts';
import { kubeconfigOf, kubeNode, kubeUser } from '../support/kube-api.ts';

/** The real thing, where a machine has it: KUBE_APISERVER names its binary, ETCD that of etcd (else the one beside it). */
const binary = process.env.KUBE_APISERVER;
const etcdBinary = process.env.ETCD ?? join(dirname(binary ?? '/'), 'etcd');
if (binary === undefined)
  process.stderr.write('SKIPPED LOUDLY: a real kube-apiserver: KUBE_APISERVER names no binary\n');

describe.skipIf(binary === undefined)('a real kube-apiserver', () => {
  let dir: string;
  let authority: TestAuthority;
  let server: string;
  const processes: ChildProcess[] = [];

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'imgctl-apiserver-'));
    authority = await makeTestAuthority('kubernetes');
    const [etcdPort, peerPort, port] = [await freePort(), await freePort(), await freePort()];
    const etcd = `http://127.0.0.1:${etcdPort}`;
    const peer = `http://127.0.0.1:${peerPort}`;
    start(etcdBinary, {
      'data-dir': join(dir, 'etcd'),
      'listen-client-urls': etcd,
      'advertise-client-urls': etcd,
      'listen-peer-urls': peer,
      'initial-advertise-peer-urls': peer,
      'initial-cluster': `default=${peer}`,
    });
    const { certFile, keyFile } = await authority.issue('apiserver', {
      names: ['127.0.0.1'],
      usages: ['server'],
    });
    const accounts = generateKeyPairSync('rsa', { modulusLength: 2048 });
    await writeFile(join(dir, 'sa.key'), accounts.privateKey.export({ type: 'pkcs8', format: 'pem' }));
    await writeFile(join(dir, 'sa.pub'), accounts.publicKey.export({ type: 'spki', format: 'pem' }));
    await writeFile(join(dir, 'tokens'), 'root-token,root,1,"system:masters"\n');
    start(binary ?? '', {
      'etcd-servers': etcd,
      'bind-address': '127.0.0.1',
      'secure-port': String(port),
      'tls-cert-file': certFile,
      'tls-private-key-file': keyFile,
      'client-ca-file': authority.caFile,
      'token-auth-file': join(dir, 'tokens'),
      'authorization-mode': 'RBAC',
      'service-cluster-ip-range': '10.96.0.0/16',
      'service-account-issuer': 'https://kubernetes.default.svc',
      'service-account-key-file': join(dir, 'sa.pub'),
      'service-account-signing-key-file': join(dir, 'sa.key'),
    });
    server = `https://127.0.0.1:${port}`;
    await ready();
    await create('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: 'admin' },
      subjects: [{ kind: 'User', name: 'admin', apiGroup: 'rbac.authorization.k8s.io' }],
      roleRef: { kind: 'ClusterRole', name: 'cluster-admin', apiGroup: 'rbac.authorization.k8s.io' },
    });
  }, 120_000);

  afterAll(async () => {
    for (const child of processes.reverse()) child.kill('SIGKILL');
    await authority[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, maxRetries: 5, retryDelay: 200 });
  });

  it('lists its nodes in pages, to who may list them', { timeout: 120_000 }, async () => {
    for (let i = 0; i < 600; i += 1) {
      const zone = i === 7 ? { zone: 'x' } : {};
      const addresses = [['InternalIP', `10.1.${i >> 8}.${i & 255}`]] as const;
      const node = kubeNode(`n${i}`, { addresses, labels: zone }) as { metadata: object };
      await create('/api/v1/nodes', {
        apiVersion: 'v1',
        kind: 'Node',
        ...node,
        metadata: { ...node.metadata, uid: '' },
      });
    }
    const { nodes } = await find('admin');
    expect(nodes).toHaveLength(600);
    expect(nodes.find(({ name }) => name === 'n7')).toMatchObject({
      address: '10.1.0.7:25000',
      cluster: { ready: true, cordoned: false, platform: 'linux/amd64', runtime: 'containerd://1.7.24' },
    });
    expect((await find('admin', 'zone=x')).nodes.map(({ name }) => name)).toEqual(['n7']);
  });

  it('refuses a selector that is none, and those who may not list nodes', async () => {
    await expect(find('admin', 'a=b=c')).rejects.toMatchObject({ code: 'usage' });
    await expect(find('guest')).rejects.toMatchObject({
      code: 'discovery_failed',
      message: expect.stringContaining('403'),
      hint: expect.stringContaining('kubectl auth can-i list nodes'),
    });
  });

  async function find(user: string, selector?: string) {
    const file = join(dir, 'config');
    const api = { url: server, authority };
    await writeFile(file, kubeconfigOf(api, await kubeUser(api, user)));
    const search = await findKubeconfig({ env: {}, explicit: file });
    return kubernetesDiscovery(search, { addressing: { defaultPort: 25000 }, env: {}, selector }).find();
  }

  function start(file: string, flags: Readonly<Record<string, string>>): void {
    const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
    processes.push(spawn(file, args, { stdio: 'ignore' }));
  }

  async function ready(): Promise<void> {
    for (let tries = 0; tries < 300; tries += 1) {
      if ((await call('GET', '/readyz').catch(() => 0)) === 200) return;
      await sleep(300);
    }
    throw new Error('kube-apiserver did not become ready');
  }

  async function create(path: string, body: object): Promise<void> {
    const code = await call('POST', path, JSON.stringify(body));
    if (code !== 201) throw new Error(`POST ${path} answered ${code}`);
  }

  async function call(method: 'GET' | 'POST', path: string, body?: string): Promise<number> {
    const dispatcher = new Agent({ connect: { ca: authority.pair.cert } });
    const headers = { authorization: 'Bearer root-token', 'content-type': 'application/json' };
    const answer = await request(`${server}${path}`, { method, headers, dispatcher, body: body ?? null });
    await answer.body.dump();
    await dispatcher.close();
    return answer.statusCode;
  }
});
