import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import packageJson from '../../package.json' with { type: 'json' };
import { newKeyPair } from '../../src/trust/minisign-key.ts';
import { runCli } from '../support/cli.ts';

// biome-ignore lint/suspicious/noExplicitAny: objects of Kubernetes, as they are read back
type Any = any;

const kubectl = spawnSync('kubectl', ['version', '--client']).status === 0;
if (!kubectl) process.stderr.write('SKIPPED LOUDLY: no kubectl on the PATH to read the manifest with\n');

describe('imgctl agent manifest', () => {
  let dir: string;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'imgctl-manifest-'));
    expect(await runCli(['init', '--dir', dir])).toMatchObject({ status: 0 });
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  const manifest = (...args: string[]) => runCli(['agent', 'manifest', '--dir', dir, ...args]);
  const objects = async (...args: string[]): Promise<Record<'namespace' | 'secret' | 'daemonSet', Any>> => {
    const { status, stdout, stderr } = await manifest(...args);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const documents = parseAllDocuments(stdout) as Any[];
    const [namespace, secret, daemonSet, ...others] = documents.map((document) => document.toJS());
    expect(others).toEqual([]);
    return { namespace, secret, daemonSet };
  };
  const containerOf = (daemonSet: Any): Any => daemonSet.spec.template.spec.containers[0];

  it('prints a namespace, a secret and a daemon set, in the order in which they are made', async () => {
    const { namespace, secret, daemonSet } = await objects('--namespace', 'side-load');
    expect([namespace.kind, secret.kind, daemonSet.kind]).toEqual(['Namespace', 'Secret', 'DaemonSet']);
    expect(namespace.metadata.name).toBe('side-load');
    expect(namespace.metadata.labels['pod-security.kubernetes.io/enforce']).toBe('privileged');
    expect([secret.metadata.namespace, daemonSet.metadata.namespace]).toEqual(['side-load', 'side-load']);
    expect(daemonSet.spec.template.metadata.labels).toMatchObject(daemonSet.spec.selector.matchLabels);
  });

  it('bounds what agents send to each other where that is said', async () => {
    const { daemonSet } = await objects('--max-rate', '200M');
    expect(containerOf(daemonSet).args).toContain('--max-rate=200M');
    expect(await manifest('--max-rate', '200')).toMatchObject({ status: 2 });
  });

  it('gives agents a directory of the node under its own path, read-only, and their options for it', async () => {
    const { publicText } = await newKeyPair();
    await writeFile(join(dir, 'release.pub'), publicText);
    const images = '/var/lib/rancher/k3s/agent/images';
    const { daemonSet } = await objects(
      ...['--images-dir', `${images}/`, '--images-dir-concurrency', '4', '--images-dir-prune'],
      ...['--images-dir-verify-key', join(dir, 'release.pub')],
    );
    const container = containerOf(daemonSet);
    const line = publicText.split('\n')[1];
    expect(container.args.slice(-4)).toEqual([
      `--images-dir=${images}`,
      '--images-dir-concurrency=4',
      '--images-dir-prune',
      `--images-dir-verify-key=${line}`,
    ]);
    expect(container.volumeMounts).toContainEqual({
      ...{ name: 'images', mountPath: images, readOnly: true, mountPropagation: 'HostToContainer' },
    });
    expect(daemonSet.spec.template.spec.volumes).toContainEqual({
      ...{ name: 'images', hostPath: { path: images, type: 'DirectoryOrCreate' } },
    });
  });

  it('tells agents of registries, by a file in the Secret or a directory of the node', async () => {
    const text = 'mirrors: {"*": {endpoint: [https://mirror.example.com]}}\n';
    const file = join(dir, 'own-registries.yaml');
    await writeFile(file, text);
    const byFile = await objects('--registries', file);
    expect(Buffer.from(byFile.secret.data['registries.yaml'], 'base64').toString()).toBe(text);
    expect(containerOf(byFile.daemonSet).args).toContain('--registries=/etc/imgctl/registries.yaml');
    const hosts = '/etc/containerd/certs.d';
    const { secret, daemonSet } = await objects('--hosts-dir', hosts);
    expect(secret.data).not.toHaveProperty(['registries.yaml']);
    expect(containerOf(daemonSet).args).toContain(`--hosts-dir=${hosts}`);
    expect(containerOf(daemonSet).volumeMounts).toContainEqual({
      ...{ name: 'hosts', mountPath: hosts, readOnly: true },
    });
    expect(daemonSet.spec.template.spec.volumes).toContainEqual({
      ...{ name: 'hosts', hostPath: { path: hosts, type: 'DirectoryOrCreate' } },
    });
  });

  it('takes no registries.yaml that names files which pods do not have, nor one that is none', async () => {
    const file = join(dir, 'bad-registries.yaml');
    await writeFile(file, 'configs: {r.example.com: {tls: {ca_file: /etc/ssl/own.pem}}}\n');
    const named = await manifest('--registries', file);
    expect(named).toMatchObject({ status: 2, stdout: '' });
    expect(named.stderr).toContain('/etc/ssl/own.pem');
    await writeFile(file, 'mirrors: [');
    expect(await manifest('--registries', file)).toMatchObject({ status: 2, stdout: '' });
    expect(await manifest('--registries', file, '--hosts-dir', '/srv/hosts')).toMatchObject({ status: 2 });
    expect(await manifest('--hosts-dir', '/etc')).toMatchObject({ status: 2, stdout: '' });
  });

  it.each([['relative'], ['/'], ['/etc'], ['/var/lib/imgctl'], ['/srv/$(NODE_NAME)'], ['/run']])(
    'mounts no %s for images',
    async (path) => {
      expect(await manifest('--images-dir', path)).toMatchObject({ status: 2, stdout: '' });
    },
  );

  it('takes no option for a directory that is not named', async () => {
    expect(await manifest('--images-dir-prune')).toMatchObject({ status: 2 });
  });

  it("holds what agents need, and never the authority's own key", async () => {
    const { secret } = await objects();
    expect(Object.keys(secret.data).sort()).toEqual(['agent.crt', 'agent.key', 'ca.crt', 'token']);
    for (const [name, value] of Object.entries<string>(secret.data))
      expect(Buffer.from(value, 'base64').toString()).toBe(await readFile(join(dir, name), 'utf8'));
    const authorityKey = await readFile(join(dir, 'ca.key'));
    expect(JSON.stringify(secret)).not.toContain(authorityKey.toString('base64').slice(0, 200));
  });

  it('holds the token before too, while agents take both', async () => {
    const previous = join(dir, 'token.previous');
    await writeFile(previous, `old-token\n${new Date(Date.now() + 3_600_000).toISOString()}\n`);
    const { secret } = await objects();
    expect(Buffer.from(secret.data['token.previous'], 'base64').toString()).toContain('old-token\n');
    await rm(previous);
  });

  it('asks little of the node: two directories of it, no capability, nothing to write elsewhere', async () => {
    const { daemonSet } = await objects();
    const pod = daemonSet.spec.template.spec;
    expect(pod).toMatchObject({
      hostNetwork: true,
      tolerations: [{ operator: 'Exists' }],
      automountServiceAccountToken: false,
      securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
    });
    expect(containerOf(daemonSet).securityContext).toMatchObject({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
      privileged: false,
    });
    expect(pod.volumes.map((volume: Any) => volume.hostPath?.path ?? volume.secret.secretName)).toEqual([
      '/run/containerd',
      '/var/lib/imgctl',
      'imgctl-agent',
    ]);
    const mounted = containerOf(daemonSet).volumeMounts.map((mount: Any) => mount.name);
    expect(mounted).toEqual(pod.volumes.map((volume: Any) => volume.name));
  });

  it.each([
    ['kubeadm', '/run/containerd/containerd.sock', 25_000],
    ['k3s', '/run/k3s/containerd/containerd.sock', 25_000],
    ['rke2', '/run/k3s/containerd/containerd.sock', 25_000],
    ['microk8s', '/var/snap/microk8s/common/run/containerd.sock', 25_001],
  ])('knows where %s keeps its socket, and the port that is free there', async (name, socket, port) => {
    const { daemonSet } = await objects('--distribution', name);
    const container = containerOf(daemonSet);
    expect(container.args).toContain(`--store=containerd:${socket}`);
    expect(container.args).toContain(`--listen=[$(HOST_IP)]:${port}`);
    expect(container.ports[0]).toMatchObject({ containerPort: port, hostPort: port });
    expect(container.livenessProbe.httpGet).toEqual({ port, path: '/healthz', scheme: 'HTTPS' });
    expect(container.readinessProbe.httpGet).toEqual({ port, path: '/readyz', scheme: 'HTTPS' });
  });

  it('gives the kubelet, which has no certificate, an address of its own under mutual TLS', async () => {
    const container = containerOf((await objects('--mutual-tls')).daemonSet);
    expect(container.args).toEqual(
      expect.arrayContaining(['--client-ca=/etc/imgctl/ca.crt', '--probe-listen=127.0.0.1:25009']),
    );
    const httpGet = { host: '127.0.0.1', port: 25_009, path: '/readyz', scheme: 'HTTP' };
    expect(container.readinessProbe.httpGet).toEqual(httpGet);
  });

  it('never pulls its own image, which no registry has, and pulls one that was named', async () => {
    const own = containerOf((await objects()).daemonSet);
    expect(own.image).toMatch(/^imgctl\.local\/agent:\d+\.\d+\.\d+$/);
    expect(own.image).toBe(`imgctl.local/agent:${packageJson.version}`);
    expect(own.imagePullPolicy).toBe('Never');
    const named = containerOf((await objects('--image', 'registry.example.com/agent:1')).daemonSet);
    expect([named.image, named.imagePullPolicy]).toEqual(['registry.example.com/agent:1', 'IfNotPresent']);
  });

  it('writes the port of probes and agents out, wherever it was named', async () => {
    for (const args of [
      ['--listen', '[::]', '--port', '26000'],
      ['--listen', ':26000'],
      ['--port', '26000'],
    ]) {
      const container = containerOf((await objects(...args)).daemonSet);
      expect(container.args[2]).toMatch(/^--listen=.*:26000$/);
      expect(container.ports[0].containerPort).toBe(26_000);
    }
  });

  it.each([
    ['fd00::17'],
    ['[::]:99999'],
    ['a b:1'],
    ['$(EVIL):25000'],
    [''],
    ['0.0.0.0:0'],
    ['127.0.0.1:25000'],
    ['[::]:26000', '--port', '25000'],
    ['[::]:25009', '--mutual-tls'],
  ])('refuses an address where no agent would be found: %j', async (listen, ...more) => {
    const { status, stdout, stderr } = await manifest(`--listen=${listen}`, ...more);
    expect({ status, stdout, stderr }).toEqual({
      status: 2,
      stdout: '',
      stderr: expect.stringMatching(/^Error \[usage\]: .*\n {2}Hint: /),
    });
  });

  it('passes only options that the agent takes', async () => {
    const { stdout } = await runCli(['agent', 'run', '--help']);
    const container = containerOf((await objects('--mutual-tls')).daemonSet);
    for (const arg of container.args.slice(2)) expect(stdout).toContain(` ${arg.split('=')[0]} <`);
  });

  it.each([
    ['a directory without credentials', ['--dir', '/nonexistent'], 'certificate_invalid', 'imgctl init'],
    ['a namespace that Kubernetes refuses', ['--namespace', 'Not_One'], 'usage', 'not a namespace'],
    ['a socket whose directory is everything', ['--store-socket', '/run/x.sock'], 'usage', 'of its own'],
    ['a relative socket', ['--store-socket', 'containerd.sock'], 'usage', 'absolute path'],
    ['two ports', ['--listen', '0.0.0.0:1000', '--port', '1001'], 'usage', 'port 1000'],
    ['a distribution that it does not know', ['--distribution', 'k9s'], 'usage', 'kubeadm'],
  ])('refuses %s', async (_, args, code, told) => {
    const { status, stdout, stderr } = await manifest(...args);
    expect(status).not.toBe(0);
    expect(stdout).toBe('');
    expect(stderr).toContain(`[${code}]`);
    expect(stderr).toContain(told);
  });

  it.runIf(kubectl).each(['', '--mutual-tls'])("is read by kubectl's own types %s", async (option) => {
    const { stdout } = await manifest(...(option === '' ? [] : [option]));
    // Decodes every object by its type, without a server; those that have no pods are told
    const read = spawnSync(
      'kubectl',
      ['set', 'resources', '--local', '-f', '-', '--limits=memory=600Mi', '-o', 'json'],
      { input: stdout, encoding: 'utf8' },
    );
    const problems = read.stderr.split('\n').filter((line) => !/^$|does not have a pod template/.test(line));
    expect(problems).toEqual([]);
    expect(JSON.parse(read.stdout).kind).toBe('DaemonSet');
  });
});
