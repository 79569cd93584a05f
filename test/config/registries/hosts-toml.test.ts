import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hostsDirEndpoints } from '../../../src/config/registries/hosts-dir.ts';
import { registriesEndpoints } from '../../../src/config/registries/registries-endpoints.ts';
import { parseRegistriesFile } from '../../../src/config/registries/registries-file.ts';
import { registryHosts, withTls } from '../../../src/config/registries/registry-hosts.ts';
import { renderHosts, writeHosts } from '../../../src/config/registries/render-hosts.ts';
import { parseReference } from '../../../src/image/reference.ts';
import { makeTestAuthority } from '../../support/agent-certificates.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'imgctl-hosts-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

async function put(name: string, content: string): Promise<string> {
  const path = join(dir, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
  return path;
}

const endpointsOf = (ref: string) => hostsDirEndpoints(dir, parseReference(ref));
const where = async (ref: string) =>
  (await endpointsOf(ref)).map(({ url, repository }) => `${url} ${repository}`);

describe("containerd's directory of hosts", () => {
  it('names the servers of a registry in the order of its file, its server last', async () => {
    await put(
      'docker.io/hosts.toml',
      `server = "https://registry-1.docker.io"
[host."https://b.example.com/p"]
  capabilities = ["pull"]
  override_path = true
[host."https://a.example.com/p"]
[host."http://c.example.com:5000/v2"]
  ca = "ca.pem"
  client = [["own.pem", "/etc/own.key"]]
  skip_verify = true
  dial_timeout = "1m30s"
[host."http://c.example.com:5000/v2".header]
  x-one = "1"
  x-two = ["2", "3"]
`,
    );
    expect(await where('nginx')).toEqual([
      'https://b.example.com/p library/nginx',
      'https://a.example.com/p/v2 library/nginx',
      'http://c.example.com:5000/v2 library/nginx',
      'https://registry-1.docker.io/v2 library/nginx',
    ]);
    const [b, a, c, hub] = await endpointsOf('nginx');
    expect(b).toMatchObject({
      capabilities: ['pull'],
      mirrorOf: 'docker.io',
      account: 'b.example.com/library/nginx',
    });
    expect(a).toMatchObject({ capabilities: ['resolve', 'pull'] });
    expect(c).toMatchObject({
      tlsFiles: {
        ca: [join(dir, 'docker.io/ca.pem')],
        client: [join(dir, 'docker.io/own.pem'), '/etc/own.key'],
        skipVerify: true,
      },
      headers: { 'x-one': '1', 'x-two': '2, 3' },
      connectTimeoutMs: 90_000,
    });
    expect(hub).toMatchObject({ account: 'docker.io/library/nginx' });
    expect(hub?.mirrorOf).toBeUndefined();
  });

  it('is looked through by the names that a folder may have, and has one for all others', async () => {
    await put('_default/hosts.toml', '[host."https://all.example.com"]');
    await put('r.io:5000/hosts.toml', '[host."https://colon.example.com"]');
    expect(await where('ghcr.io/a')).toEqual(['https://all.example.com/v2 a', 'https://ghcr.io/v2 a']);
    expect(await where('r.io:5000/a')).toEqual(['https://colon.example.com/v2 a', 'https://r.io:5000/v2 a']);
    await put('r.io_5000_/hosts.toml', 'server = "under.example.com"');
    expect(await where('r.io:5000/a')).toEqual(['https://under.example.com/v2 a']);
  });

  it('may say more than concerns who only pulls', async () => {
    await put(
      'r.io/hosts.toml',
      'capabilities = ["push"]\n[host."https://m.io"]\ncapabilities = ["Pull", "resolve", "referrers"]',
    );
    // Without a server of its own nothing is said of what it may do
    expect(await endpointsOf('r.io/a')).toMatchObject([
      { url: 'https://m.io/v2', capabilities: ['resolve', 'pull'] },
      { url: 'https://r.io/v2', capabilities: ['resolve', 'pull'] },
    ]);
  });

  it("may have rewrites, as that of K3s's containerd", async () => {
    await put('r.io/hosts.toml', `[host."https://m.io".rewrite]\n"^team/(.*)" = 'x/$1'\n"^all" = "UPPER"`);
    expect(await where('r.io/team/a')).toEqual(['https://m.io/v2 x/a', 'https://r.io/v2 team/a']);
    expect((await endpointsOf('r.io/team/a'))[0]).toMatchObject({ account: 'm.io/x/a', mirrorOf: 'r.io' });
    await expect(endpointsOf('r.io/all')).rejects.toMatchObject({ code: 'config_invalid' });
    await put('s.io/hosts.toml', `[host."https://m.io".rewrite]\n"(" = 'x'`);
    await expect(endpointsOf('s.io/a')).rejects.toMatchObject({ code: 'config_invalid' });
  });

  it('is not passed over for that of all others where it cannot be looked into', async () => {
    await put('_default/hosts.toml', '[host."https://all.example.com"]');
    await symlink('r.io', join(dir, 'r.io'));
    await expect(endpointsOf('r.io/a')).rejects.toMatchObject({
      code: 'config_invalid',
      context: { path: join(dir, 'r.io') },
    });
  });

  it('may hold one file with both the certificate and its key', async () => {
    await put('r.io/own.cert', 'b');
    await mkdir(join(dir, 'r.io/old.crt'));
    expect((await endpointsOf('r.io/a'))[0]?.tlsFiles).toEqual({
      ca: [],
      client: [join(dir, 'r.io/own.cert')],
    });
  });

  it("may hold certificates alone, as Docker's", async () => {
    await put('r.io/ca.crt', 'a');
    await put('r.io/own.cert', 'b');
    await put('r.io/own.key', 'c');
    expect((await endpointsOf('r.io/a'))[0]).toMatchObject({
      url: 'https://r.io/v2',
      tlsFiles: {
        ca: [join(dir, 'r.io/ca.crt')],
        client: [join(dir, 'r.io/own.cert'), join(dir, 'r.io/own.key')],
      },
    });
  });

  it('has files read when they are needed, and names the one that is not there', async () => {
    await using authority = await makeTestAuthority();
    const ca = authority.pair.cert;
    const { cert, key } = await authority.issue('own');
    const other = await authority.issue('other');
    await put('r.io/hosts.toml', 'ca = ["one.pem", "two.pem"]\nclient = "own.pem"');
    for (const name of ['one', 'two']) await put(`r.io/${name}.pem`, ca);
    await put('r.io/own.pem', `${cert}\n${key}`);
    const [endpoint] = await endpointsOf('r.io/a');
    if (endpoint === undefined) throw new Error('no endpoint');
    expect((await withTls(endpoint)).tls).toEqual({ ca: `${ca}\n${ca}`, cert: `${cert}\n${key}` });
    const refused = async (name: string) =>
      expect(withTls(endpoint)).rejects.toMatchObject({
        code: 'config_invalid',
        context: { path: join(dir, 'r.io', name) },
      });
    // No key, and that of another
    await put('r.io/own.pem', cert);
    await refused('own.pem');
    await put('r.io/own.pem', `${cert}\n${other.key}`);
    await refused('own.pem');
    await put('r.io/two.pem', 'no certificate');
    await refused('two.pem');
    await rm(join(dir, 'r.io/two.pem'));
    await refused('two.pem');
  });

  it.each([
    ['[host', /hosts\.toml:1:\d+: it is not TOML/],
    ['server = 5', /server cannot be that/],
    ['[host."x"]\ncapabilities = ["fly"]', /capabilities are/],
    ['[host."https://u:secret@x"]', /no address/],
    ['[host."x"]\ndial_timeout = "soon"', /dial_timeout/],
    ['[host."x".header]\na = "b\\r\\nsecret: c"', /header/],
  ])('is refused where it is wrong: %j', async (toml, told) => {
    await put('r.io/hosts.toml', toml);
    const failure = await endpointsOf('r.io/a').then(() => '', String);
    expect(failure).toMatch(told);
    expect(failure).not.toContain('secret');
  });
});

describe('a registries.yaml that is rendered', () => {
  const yaml = `
mirrors:
  docker.io:
    endpoint: ["https://m.example.com:5000", "https://n.example.com/hub", "http://o.example.com"]
    rewrite: {"^library/(.*)": "x/$1"}
  "*": {endpoint: [all.example.com]}
  r.io:5000: {endpoint: [s.example.com]}
configs:
  "m.example.com:5000":
    auth: {username: me, password: very-secret}
    tls: {ca_file: /etc/ca.pem, cert_file: /etc/own.pem, key_file: /etc/own.key}
  docker.io: {tls: {insecure_skip_verify: true}}
  lone.example.com: {tls: {ca_file: /etc/lone.pem}}
  nothing.example.com: {auth: {username: a, password: b}}
`;

  it('means the same to who reads the directory', async () => {
    const file = parseRegistriesFile(yaml, '/etc/registries.yaml');
    await writeHosts(dir, renderHosts(file));
    expect((await readdir(dir)).toSorted()).toEqual([
      '_default',
      'docker.io',
      'lone.example.com',
      'm.example.com_5000_',
      'nothing.example.com',
      'r.io_5000_',
    ]);
    for (const ref of [
      'nginx',
      'team/app',
      'ghcr.io/a',
      'r.io:5000/a',
      'lone.example.com/a',
      'nothing.example.com/a',
      'm.example.com:5000/a',
    ]) {
      const told = registriesEndpoints(file, parseReference(ref)).map(({ auth: _, ...rest }) => rest);
      expect(await endpointsOf(ref)).toEqual(told);
    }
    const content = await readFile(join(dir, 'docker.io/hosts.toml'), 'utf8');
    expect(content).not.toContain('very-secret');
    expect(content).toContain('[host."https://m.example.com:5000/v2".rewrite]');
  });

  it('leaves nothing behind that keeps the mirrors of all others away', async () => {
    const render = (text: string) => writeHosts(dir, renderHosts(parseRegistriesFile(text, '/x')));
    await render('mirrors: {r.io: {endpoint: [m.io]}, s.io: {endpoint: [m.io]}}');
    await put('s.io/ca.crt', 'a');
    const any = 'mirrors: {"*": {endpoint: [all.io]}}';
    await render(any);
    expect(await where('r.io/a')).toEqual(['https://all.io/v2 a', 'https://r.io/v2 a']);
    // What others put there stays
    expect((await readdir(dir)).toSorted()).toEqual(['_default', 's.io']);
    const before = await stat(join(dir, '_default/hosts.toml'));
    await render(any);
    expect((await stat(join(dir, '_default/hosts.toml'))).ino).toBe(before.ino);
  });

  it('writes nothing outside the directory, whatever registries are called', async () => {
    const to = join(dir, 'a/b/certs.d');
    const names = ['../../x', '..', '.', '/x', 'x/../../../y', '_default', 'a\\0b', 'a\nb', '*/x', ''];
    const mirrors = Object.fromEntries(names.map((name) => [name, { endpoint: ['m.io'] }]));
    const configs = Object.fromEntries(names.map((name) => [name, { auth: { username: 'u' }, tls: {} }]));
    const file = parseRegistriesFile(JSON.stringify({ mirrors, configs }), '/x');
    expect(await writeHosts(to, renderHosts(file))).toEqual([]);
    expect(await readdir(dir)).toEqual([]);
  });

  it('replaces what it wrote before, and nothing that others wrote', async () => {
    await writeHosts(dir, renderHosts(parseRegistriesFile(yaml, '/etc/registries.yaml')));
    await put('mine.io/hosts.toml', 'server = "https://mine.io"');
    await writeHosts(dir, renderHosts(parseRegistriesFile('mirrors: {r.io:5000: {endpoint: [t.io]}}', '/x')));
    expect(await where('r.io:5000/a')).toEqual(['https://t.io/v2 a', 'https://r.io:5000/v2 a']);
    expect(await where('nginx')).toEqual(['https://registry-1.docker.io/v2 library/nginx']);
    expect(await where('mine.io/a')).toEqual(['https://mine.io/v2 a']);
    const foreign = renderHosts(parseRegistriesFile('mirrors: {mine.io: {endpoint: [t.io]}}', '/x'));
    await expect(writeHosts(dir, foreign)).rejects.toMatchObject({ code: 'config_invalid' });
    expect(await where('mine.io/a')).toEqual(['https://mine.io/v2 a']);
  });
});

describe('where the configuration of registries is', () => {
  const origin = async (places: Parameters<typeof registryHosts>[0] = {}) =>
    (await registryHosts({ root: dir, ...places })).origin?.replace(dir, '');

  it("is K3s's file, RKE2's, or containerd's directory, unless one is named", async () => {
    expect(await origin()).toBeUndefined();
    await put('etc/containerd/certs.d/docker.io/hosts.toml', '');
    expect(await origin()).toBe('/etc/containerd/certs.d');
    await put('etc/rancher/rke2/registries.yaml', '');
    expect(await origin()).toBe('/etc/rancher/rke2/registries.yaml');
    await put('etc/rancher/k3s/registries.yaml', '');
    expect(await origin()).toBe('/etc/rancher/k3s/registries.yaml');
    const named = await put('named.yaml', '');
    expect(await origin({ registries: named })).toBe('/named.yaml');
    expect(await origin({ hostsDir: join(dir, 'etc') })).toBe('/etc');
  });

  it('has to be there where it is named, once', async () => {
    await expect(origin({ registries: join(dir, 'no') })).rejects.toMatchObject({ code: 'config_invalid' });
    await expect(origin({ hostsDir: join(dir, 'no') })).rejects.toMatchObject({ code: 'config_invalid' });
    await expect(origin({ registries: 'a', hostsDir: 'b' })).rejects.toMatchObject({ code: 'usage' });
  });
});
