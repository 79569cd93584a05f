import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeTestAuthority, type TestAuthority } from '../support/agent-certificates.ts';
import { runCli } from '../support/cli.ts';
import { type ContainerdDaemon, startContainerd } from '../support/containerd/daemon.ts';
import { busyboxOciArchive } from '../support/images.ts';
import { type DockerRegistry, startRegistry, user } from '../support/registry/docker-registry.ts';
import { describeContainerd } from '../support/require-containerd.ts';
import { runHere } from '../support/run-here.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'imgctl-registries-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function registriesYaml(content: unknown): Promise<string> {
  const path = join(dir, 'registries.yaml');
  await writeFile(path, JSON.stringify(content));
  return path;
}

it('registries explain says where an image would be looked for, and as whom, without a secret', async () => {
  const registries = await registriesYaml({
    mirrors: { 'docker.io': { endpoint: ['mirror.example.com'], rewrite: { '^library/': 'hub/' } } },
    configs: { 'mirror.example.com': { auth: { username: 'me-myself', password: 'very-secret' } } },
  });
  const { stdout, stderr, status } = await runCli([
    'registries',
    'explain',
    'nginx',
    '--registries',
    registries,
  ]);
  expect(status).toBe(0);
  expect(stdout.split('\n')).toEqual([
    `docker.io/library/nginx:latest (${registries})`,
    '1. https://mirror.example.com/v2, for hub/nginx',
    `   password of ${registries}`,
    '2. https://registry-1.docker.io/v2, for library/nginx',
    '   without credentials',
    '',
  ]);
  const json = await runCli(['registries', 'explain', 'nginx', '--registries', registries, '-o', 'json']);
  expect(JSON.parse(json.stdout)).toMatchObject({
    ok: true,
    image: 'docker.io/library/nginx:latest',
    endpoints: [
      {
        url: 'https://mirror.example.com/v2',
        repository: 'hub/nginx',
        mirror: true,
        credentials: [{ kind: 'password' }],
      },
      { url: 'https://registry-1.docker.io/v2', repository: 'library/nginx', mirror: false, credentials: [] },
    ],
  });
  expect(stdout + stderr + json.stdout + json.stderr).not.toMatch(/very-secret|me-myself/);
});

it('registries explain names the headers that a server would be shown, and not what they say', async () => {
  const hosts = join(dir, 'certs.d');
  await mkdir(join(hosts, 'r.io'), { recursive: true });
  await writeFile(
    join(hosts, 'r.io/hosts.toml'),
    '[host."https://m.io".header]\nAuthorization = "Bearer very-secret"\nx-team = "a"\n',
  );
  const explain = ['registries', 'explain', 'r.io/app', '--hosts-dir', hosts];
  const { stdout } = await runHere(explain);
  expect(stdout).toContain(
    '1. https://m.io/v2, for app\n   shown the headers authorization, x-team\n   without credentials\n',
  );
  const json = await runHere([...explain, '-o', 'json']);
  expect(JSON.parse(json.stdout).endpoints).toMatchObject([{ headers: ['authorization', 'x-team'] }, {}]);
  expect(stdout + json.stdout + json.stderr).not.toContain('very-secret');
});

describeContainerd('registries render', (generation) => {
  let authority: TestAuthority;
  let registry: DockerRegistry;
  let daemon: ContainerdDaemon;

  beforeAll(async () => {
    authority = await makeTestAuthority('registry');
    const tls = await authority.issue('registry', { names: ['127.0.0.1'], usages: ['server'] });
    registry = await startRegistry({ login: true, tls });
    await registry.pushArchive(await busyboxOciArchive(dir, { tag: 'docker.io/library/b:1' }), 'team/b:1');
    daemon = await startContainerd(generation);
  });

  afterAll(async () => {
    await daemon?.stop();
    await registry?.[Symbol.asyncDispose]();
    await authority?.[Symbol.asyncDispose]();
  });

  it('writes what containerd pulls by: from a mirror whose certificate a file vouches for', async () => {
    const endpoint = [registry.url];
    const registries = await registriesYaml({
      mirrors: {
        'registry.test': { endpoint },
        'ported.test:5000': { endpoint: [`${registry.url}/v2/`] },
        // Its path stands in the place of /v2
        'nested.test': { endpoint: [`${registry.url}/v2/team`] },
        '*': { endpoint },
      },
      configs: { [registry.host]: { auth: user, tls: { ca_file: authority.caFile } } },
    });
    const to = join(dir, `certs-${generation.name}`);
    const rendered = await runCli(['registries', 'render', '--registries', registries, '--to', to]);
    expect(rendered.status).toBe(0);
    expect(rendered.stdout).toContain(join(to, 'registry.test/hosts.toml'));
    expect(rendered.stderr).toContain(`the credentials of ${registry.host} are not written`);
    expect(rendered.stdout + rendered.stderr).not.toContain(user.password);
    const name = 'registry.test/team/b:1';
    const login = ['--user', `${user.username}:${user.password}`];
    const pulled = await daemon.ctr(['-n', 'k8s.io', 'images', 'pull', '--hosts-dir', to, ...login, name]);
    expect(pulled).toMatchObject({ status: 0 });
    expect(await daemon.runContainer('k8s.io', name, ['/bin/echo', 'pulled'])).toBe('pulled\n');
    for (const other of ['ported.test:5000/team/b:1', 'nested.test/b:1', 'any.test/team/b:1']) {
      const pulled = await daemon.ctr(['-n', 'k8s.io', 'images', 'pull', '--hosts-dir', to, ...login, other]);
      expect(pulled, other).toMatchObject({ status: 0 });
    }
  });
});
