import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { chooseContext } from '../../src/discovery/kubernetes/choose-context.ts';
import { execCredential } from '../../src/discovery/kubernetes/exec-credential.ts';
import { findKubeconfig } from '../../src/discovery/kubernetes/find-kubeconfig.ts';
import { kubernetesDiscovery } from '../../src/discovery/kubernetes/kubernetes-discovery.ts';
import { ImgctlError } from '../../src/errors.ts';
import { environmentProxy } from '../../src/streams/environment-proxy.ts';
import { type KubeApi, kubeconfigOf, kubeNode, startKubeApi } from '../support/kube-api.ts';

let api: KubeApi;
let dir: string;

beforeEach(async () => {
  api = await startKubeApi();
  api.tokens = { 'good-token': 'admin' };
  api.nodes = [kubeNode('w1', { addresses: [['InternalIP', '10.0.4.11']] })];
  dir = await mkdtemp(join(tmpdir(), 'imgctl-kube-'));
});

afterEach(async () => {
  await api[Symbol.asyncDispose]();
  await rm(dir, { recursive: true });
});

async function kubeconfig(user: object, cluster: object = {}): Promise<string> {
  const file = join(dir, 'config');
  await writeFile(file, kubeconfigOf(api, user, cluster));
  return file;
}

const env = { PATH: process.env.PATH };

async function find(user: object, cluster: object = {}) {
  const search = await findKubeconfig({ env: {}, explicit: await kubeconfig(user, cluster) });
  const patience = { attemptMs: 2000, pageMs: 4000, firstDelayMs: 5 };
  const { nodes } = await kubernetesDiscovery(search, {
    addressing: { defaultPort: 25000 },
    env,
    patience,
  }).find();
  return nodes.map(({ name }) => name);
}

async function script(name: string, text: string): Promise<string> {
  const file = join(dir, name);
  await writeFile(file, `#!/bin/sh\n${text}\n`);
  await chmod(file, 0o755);
  return file;
}

const credential = (status: object) =>
  JSON.stringify({ apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status });

describe('credentials of a kubeconfig', () => {
  it('are a token', async () => {
    expect(await find({ token: 'good-token' })).toEqual(['w1']);
  });

  it('are a token in a file, line end and all', async () => {
    await writeFile(join(dir, 'token'), 'good-token\n');
    expect(await find({ 'token-file': join(dir, 'token') })).toEqual(['w1']);
  });

  it('are a client certificate, in files or as data, which goes first', async () => {
    const { cert, key, certFile, keyFile } = await api.authority.issue('admin', {
      names: [],
      usages: ['client'],
    });
    expect(await find({ 'client-certificate': certFile, 'client-key': keyFile })).toEqual(['w1']);
    const data = (text: string) => Buffer.from(text).toString('base64');
    const user = { 'client-certificate-data': data(cert), 'client-key-data': data(key) };
    expect(await find({ ...user, 'client-certificate': '/gone', 'client-key': '/gone' })).toEqual(['w1']);
    const ca = data(await readFile(api.authority.caFile, 'utf8'));
    const cluster = { 'certificate-authority-data': ca, 'certificate-authority': '/gone' };
    expect(await find(user, cluster)).toEqual(['w1']);
  });

  it('are the name and password of a proxy', async () => {
    await expect(find({ username: 'me', password: 'word' })).rejects.toThrow('401');
    expect(api.headers.authorization).toBe(`Basic ${Buffer.from('me:word').toString('base64')}`);
  });

  it('are those of an OpenID Connect login while it is valid', async () => {
    const jwt = (exp: number) => `x.${Buffer.from(JSON.stringify({ exp })).toString('base64url')}.x`;
    const user = (token: string) => ({ 'auth-provider': { name: 'oidc', config: { 'id-token': token } } });
    const valid = jwt(Date.now() / 1000 + 60);
    api.tokens[valid] = 'admin';
    expect(await find(user(valid))).toEqual(['w1']);
    await expect(find(user(jwt(Date.now() / 1000 - 60)))).rejects.toMatchObject({
      code: 'discovery_failed',
      hint: expect.stringContaining('kubectl get nodes'),
    });
    await expect(find({ 'auth-provider': { name: 'gcp', config: {} } })).rejects.toThrow('not supported');
  });

  it("are nobody's behind a proxy of kubectl, over plain HTTP", async () => {
    const { nodes } = api;
    const proxy = createServer((_, response) =>
      response.end(JSON.stringify({ kind: 'NodeList', items: nodes })),
    );
    await new Promise<void>((listening) => proxy.listen(0, '127.0.0.1', listening));
    const { port } = proxy.address() as AddressInfo;
    const file = join(dir, 'config');
    const cluster = { server: `127.0.0.1:${port}` };
    const contexts = [{ name: 'p', context: { cluster: 'k' } }];
    await writeFile(
      file,
      JSON.stringify({ clusters: [{ name: 'k', cluster }], contexts, 'current-context': 'p' }),
    );
    const found = await kubernetesDiscovery(await findKubeconfig({ env, explicit: file }), {
      addressing: { defaultPort: 1 },
      env,
    }).find();
    proxy.close();
    expect(found.nodes).toHaveLength(1);
  });

  it.each([
    [
      'a certificate that is none',
      { 'client-certificate-data': 'bm90aGluZw==', 'client-key-data': 'bm90aGluZw==' },
    ],
    ['a certificate without its key', { 'client-key': '/gone/key' }],
  ])('that cannot be used are told before anything is sent: %s', async (_, user) => {
    await expect(find(user)).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining('prod'),
    });
    expect(api.requests).toHaveLength(0);
  });
});

describe('the server of a kubeconfig', () => {
  it('is verified by tls-server-name where that is said', async () => {
    await using named = await startKubeApi({ authority: api.authority, names: ['kubernetes.default'] });
    named.tokens = api.tokens;
    named.nodes = api.nodes;
    const user = { token: 'good-token' };
    await expect(find(user, { server: named.url })).rejects.toThrow('not trusted');
    expect(await find(user, { server: named.url, 'tls-server-name': 'kubernetes.default' })).toEqual(['w1']);
  });

  it('is not verified where the kubeconfig says so', async () => {
    const cluster = { 'certificate-authority': undefined, 'insecure-skip-tls-verify': true };
    expect(await find({ token: 'good-token' }, cluster)).toEqual(['w1']);
  });

  it('has a path where many clusters share one', async () => {
    await expect(find({ token: 'good-token' }, { server: `${api.url}/k8s/clusters/c-1/` })).rejects.toThrow(
      '404',
    );
    expect(api.requests[0]?.pathname).toBe('/k8s/clusters/c-1/api/v1/nodes');
  });

  it('is reached through proxy-url', async () => {
    const tunnels: string[] = [];
    const proxy = createServer().on('connect', (request, socket) => {
      tunnels.push(String(request.url));
      const [host = '', port = ''] = String(request.url).split(':');
      const there = connect(Number(port), host, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        there.pipe(socket).pipe(there);
      });
      there.on('error', () => socket.destroy());
      socket.on('error', () => there.destroy());
    });
    await new Promise<void>((listening) => proxy.listen(0, '127.0.0.1', listening));
    const proxyUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    expect(await find({ token: 'good-token' }, { 'proxy-url': proxyUrl })).toEqual(['w1']);
    proxy.close();
    expect(tunnels).toEqual([new URL(api.url).host]);
  });

  it.each<[string, Record<string, string>, string | undefined]>([
    ['https://k8s.example:6443', { HTTPS_PROXY: 'http://proxy:3128' }, 'http://proxy:3128'],
    ['https://k8s.example', { https_proxy: 'proxy:3128' }, 'http://proxy:3128'],
    ['http://k8s.example', { HTTPS_PROXY: 'http://proxy:3128' }, undefined],
    ['https://127.0.0.1:6443', { HTTPS_PROXY: 'http://proxy:3128' }, undefined],
    ['https://[::1]:6443', { HTTPS_PROXY: 'http://proxy:3128' }, undefined],
    ['https://k8s.example', { HTTPS_PROXY: 'http://p:1', NO_PROXY: 'a, example' }, undefined],
    ['https://k8s.example', { HTTPS_PROXY: 'http://p:1', NO_PROXY: '.example' }, undefined],
    ['https://k8s.example', { HTTPS_PROXY: 'http://p:1', NO_PROXY: 's.example' }, 'http://p:1'],
    ['https://k8s.example', { HTTPS_PROXY: 'http://p:1', NO_PROXY: 'k8s.example:443' }, undefined],
    ['https://k8s.example:6443', { HTTPS_PROXY: 'http://p:1', NO_PROXY: 'example:6443' }, undefined],
    ['https://k8s.example:6443', { HTTPS_PROXY: 'http://p:1', NO_PROXY: '.example:6443' }, undefined],
    ['https://k8s.example:6443', { HTTPS_PROXY: 'http://p:1', NO_PROXY: 'example:443' }, 'http://p:1'],
    ['https://10.0.4.2:6443', { HTTPS_PROXY: 'http://p:1', NO_PROXY: '10.0.4.2:6443' }, undefined],
    ['https://[fd00::2]:6443', { HTTPS_PROXY: 'http://p:1', NO_PROXY: '[fd00::2]:6443' }, undefined],
    ['https://[fd00::2]:6443', { HTTPS_PROXY: 'http://p:1', NO_PROXY: 'fd00::2' }, undefined],
    ['https://[fd00::2]:6443', { HTTPS_PROXY: 'http://p:1', NO_PROXY: '[fd00::2]:443' }, 'http://p:1'],
    ['https://k8s.example', { HTTPS_PROXY: 'http://p:1', NO_PROXY: '*' }, undefined],
    ['https://10.0.4.2:6443', { HTTPS_PROXY: 'http://p:1', no_proxy: '10.0.0.0/8' }, undefined],
    [
      'https://11.0.4.2:6443',
      { HTTPS_PROXY: 'http://p:1', NO_PROXY: '10.0.0.0/8,x/99,10.0.0.0/99' },
      'http://p:1',
    ],
    ['https://[fd00::2]:6443', { HTTPS_PROXY: 'http://p:1', NO_PROXY: 'fd00::/16' }, undefined],
  ])('%s with %j in the environment is reached through %s', (server, environment, expected) => {
    expect(environmentProxy(new URL(server), environment)).toBe(expected);
  });

  it.each(['ftp://10.0.0.1', 'https://', 'https://user:word@[x'])(
    'is refused where it is %s',
    async (server) => {
      await expect(find({ token: 't' }, { server })).rejects.toMatchObject({ code: 'config_invalid' });
    },
  );
});

describe('a credential plugin', () => {
  it('gives a token', async () => {
    const command = await script('plugin', `echo '${credential({ token: 'good-token' })}'`);
    expect(await find({ exec: { apiVersion: 'client.authentication.k8s.io/v1', command } })).toEqual(['w1']);
  });

  it('gives a certificate', async () => {
    const { cert, key } = await api.authority.issue('admin', { names: [], usages: ['client'] });
    await writeFile(join(dir, 'answer'), credential({ clientCertificateData: cert, clientKeyData: key }));
    const command = await script('plugin', `cat ${join(dir, 'answer')}`);
    expect(await find({ exec: { command } })).toEqual(['w1']);
  });

  it('is run beside its kubeconfig, with its arguments and environment, and is told what it is to answer', async () => {
    await mkdir(join(dir, 'bin'));
    await script(
      'bin/plugin',
      `echo "$1 $WHO $KUBERNETES_EXEC_INFO" > ${join(dir, 'said')}; echo '${credential({ token: 'good-token' })}'`,
    );
    const exec = {
      apiVersion: 'client.authentication.k8s.io/v1beta1',
      command: './bin/plugin',
      args: ['get-token'],
      env: [{ name: 'WHO', value: 'me' }],
      provideClusterInfo: true,
    };
    expect(await find({ exec })).toEqual(['w1']);
    const [, arg, who, info = ''] =
      /^(\S+) (\S+) (.*)$/.exec((await readFile(join(dir, 'said'), 'utf8')).trim()) ?? [];
    expect([arg, who]).toEqual(['get-token', 'me']);
    expect(JSON.parse(info)).toMatchObject({
      apiVersion: 'client.authentication.k8s.io/v1beta1',
      kind: 'ExecCredential',
      spec: {
        interactive: false,
        cluster: { server: api.url, 'certificate-authority-data': expect.any(String) },
      },
    });
  });

  it('is not waited for longer than it runs, whatever it leaves behind', async () => {
    const command = await script('plugin', `sleep 20 & echo '${credential({ token: 'good-token' })}'`);
    const start = performance.now();
    expect(await find({ exec: { command } })).toEqual(['w1']);
    expect(performance.now() - start).toBeLessThan(5000);
  });

  it('gets no standard input', async () => {
    const command = await script(
      'plugin',
      `test -z "$(cat)" && echo '${credential({ token: 'good-token' })}'`,
    );
    expect(await find({ exec: { command } })).toEqual(['w1']);
  });

  it.each<[string, string, RegExp]>([
    ['fails', 'echo "you are not logged in" >&2; exit 3', /status 3: you are not logged in/],
    ['dies', 'kill -9 $$', /SIGKILL/],
    ['prints something else', 'echo Welcome', /not an ExecCredential/],
    ['prints no credentials', `echo '${credential({})}'`, /not an ExecCredential/],
    ['prints without end', 'exec yes', /more than 1 MiB/],
  ])('that %s is named', async (_, text, why) => {
    const command = await script('plugin', text);
    const error = await find({ exec: { command } }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'discovery_failed', message: expect.stringMatching(why) });
    expect((error as Error).message).toContain(command);
  });

  it('that is not installed is named, with its own word on how to get it', async () => {
    const exec = { command: 'no-such-plugin', installHint: 'Get it from your cloud.' };
    await expect(find({ exec })).rejects.toMatchObject({
      message: expect.stringMatching(/no-such-plugin.*no such command/),
      hint: 'Get it from your cloud.',
    });
  });

  it('that wants a terminal is not run', async () => {
    const command = await script('plugin', `touch ${join(dir, 'ran')}`);
    await expect(find({ exec: { command, interactiveMode: 'Always' } })).rejects.toThrow('wants a terminal');
    await expect(readFile(join(dir, 'ran'))).rejects.toThrow();
  });

  it('that is written wrongly is told', async () => {
    await expect(find({ exec: { command: 3 } })).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining('exec.command'),
    });
  });

  it('is not waited for without end, nor once it is interrupted', async () => {
    const command = await script('plugin', 'echo "open https://login" >&2; sleep 60');
    const { found } = await findKubeconfig({ env: {}, explicit: await kubeconfig({ exec: { command } }) });
    if (found === undefined) throw new Error('no kubeconfig');
    const chosen = chooseContext(found, undefined);
    await expect(execCredential(chosen, { env, timeoutMs: 900 })).rejects.toThrow(
      /did not end within 1 s: open https:\/\/login/,
    );
    const reason = new ImgctlError('interrupted', 'interrupted');
    const abort = new AbortController();
    setTimeout(() => abort.abort(reason), 100);
    await expect(execCredential(chosen, { env, signal: abort.signal })).rejects.toBe(reason);
  });
});

describe('a pod', () => {
  it('lists nodes with its service account', async () => {
    const account = join(dir, 'var/run/secrets/kubernetes.io/serviceaccount');
    await mkdir(account, { recursive: true });
    await writeFile(join(account, 'token'), 'good-token\n');
    await writeFile(join(account, 'ca.crt'), await readFile(api.authority.caFile));
    const { hostname, port } = new URL(api.url);
    const inPod = { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port };
    const search = await findKubeconfig({ env: inPod, root: dir });
    const found = await kubernetesDiscovery(search, { addressing: { defaultPort: 1 }, env: inPod }).find();
    expect(found.nodes.map(({ name }) => name)).toEqual(['w1']);
    expect(found.note).toContain('service account');
  });
});
