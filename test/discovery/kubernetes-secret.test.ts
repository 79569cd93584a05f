import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findKubeconfig } from '../../src/discovery/kubernetes/find-kubeconfig.ts';
import { readSecrets } from '../../src/discovery/kubernetes/read-secret.ts';
import { runCli } from '../support/cli.ts';
import { type KubeApi, kubeconfigOf, kubeUser, startKubeApi, status } from '../support/kube-api.ts';

let api: KubeApi;
let dir: string;
let kubeconfig: string;

beforeEach(async () => {
  api = await startKubeApi();
  dir = await mkdtemp(join(tmpdir(), 'imgctl-secret-'));
  kubeconfig = join(dir, 'config');
  await writeFile(kubeconfig, kubeconfigOf(api, await kubeUser(api)));
});

afterEach(async () => {
  await api[Symbol.asyncDispose]();
  await rm(dir, { recursive: true });
});

const base64 = (text: string) => Buffer.from(text).toString('base64');

function secret(type: string, data: Record<string, string>): void {
  const encoded = Object.fromEntries(Object.entries(data).map(([key, value]) => [key, base64(value)]));
  api.faults.push((_, response) =>
    response.writeHead(200).end(JSON.stringify({ kind: 'Secret', type, data: encoded })),
  );
}

async function read(...names: string[]) {
  const search = await findKubeconfig({ env: {}, explicit: kubeconfig });
  const patience = { attemptMs: 2000, pageMs: 4000, firstDelayMs: 5 };
  const wanted = names.map((name) => ({ namespace: 'team', name }));
  return readSecrets(search, wanted, { env: {}, patience });
}

describe('a secret of the cluster', () => {
  it('is read by namespace and name', async () => {
    secret('Opaque', { a: 'b' });
    secret('kubernetes.io/dockercfg', { '.dockercfg': '{}' });
    expect(await read('one', 'two')).toEqual([
      { type: 'Opaque', data: new Map([['a', 'b']]) },
      { type: 'kubernetes.io/dockercfg', data: new Map([['.dockercfg', '{}']]) },
    ]);
    expect(api.requests.map(({ pathname }) => pathname)).toEqual([
      '/api/v1/namespaces/team/secrets/one',
      '/api/v1/namespaces/team/secrets/two',
    ]);
  });

  it('is asked for again where the server is busy', async () => {
    api.faults.push((_, response) => status(response, 429, 'TooManyRequests', 'wait'));
    secret('Opaque', {});
    expect(await read('one')).toHaveLength(1);
  });

  it('is told to be missing, or not for this user', async () => {
    await expect(read('one')).rejects.toMatchObject({ code: 'config_invalid' });
    api.faults.push((_, response) => status(response, 403, 'Forbidden', 'secrets "one" is forbidden'));
    await expect(read('one')).rejects.toMatchObject({
      code: 'discovery_failed',
      hint: expect.stringContaining('kubectl auth can-i get secret/one -n team'),
    });
    api.faults.push((_, response) => response.writeHead(200).end('{"data":5}'));
    await expect(read('one')).rejects.toMatchObject({ code: 'discovery_failed' });
  });

  it('says who one is to a registry: registries explain --pull-secret', async () => {
    const auths = { '*.example.com': { auth: base64('me-myself:very-secret') } };
    secret('kubernetes.io/dockerconfigjson', { '.dockerconfigjson': JSON.stringify({ auths }) });
    const args = [
      'registries',
      'explain',
      'r.example.com/a',
      '--pull-secret',
      'team/login',
      '--kubeconfig',
      kubeconfig,
    ];
    const { stdout, stderr } = await runCli(args);
    expect(stdout).toContain('password of secret team/login (*.example.com)');
    expect(stdout + stderr).not.toMatch(/very-secret|me-myself/);
  });
});
