import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hostDirectory } from '../../src/config/registries/hosts-dir.ts';
import { type RegistryPlaces, registryHosts } from '../../src/config/registries/registry-hosts.ts';
import { registrySettings } from '../../src/config/registries/registry-settings.ts';
import { parseReference } from '../../src/image/reference.ts';
import { openRegistryImages, type RegistryImages } from '../../src/registry/registry.ts';
import { type IssuedFiles, makeTestAuthority, type TestAuthority } from '../support/agent-certificates.ts';
import { randomImage } from '../support/archives.ts';
import {
  type DockerRegistry,
  hasRegistry,
  startRegistry,
  user,
} from '../support/registry/docker-registry.ts';
import { toldOf } from './pulled.ts';

/** A real registry that wants a certificate and a password, found by the files that a machine has. */
describe.skipIf(!hasRegistry)('a registry of a configuration', () => {
  let dir: string;
  let authority: TestAuthority;
  let registry: DockerRegistry;
  let own: IssuedFiles;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'imgctl-configured-'));
    authority = await makeTestAuthority('registry');
    const tls = await authority.issue('registry', { names: ['127.0.0.1'], usages: ['server'] });
    own = await authority.issue('own', { usages: ['client'] });
    registry = await startRegistry({ login: true, tls, clientCa: authority.caFile });
    // skopeo has no certificate to show: what is there does not matter here
  });

  afterAll(async () => {
    await registry?.[Symbol.asyncDispose]();
    await authority?.[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });

  async function put(name: string, content: string): Promise<string> {
    const path = join(dir, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
    return path;
  }

  async function open(places: RegistryPlaces, env: Record<string, string> = {}): Promise<RegistryImages> {
    const settings = registrySettings({ hosts: await registryHosts(places), env, onWarning: () => {} });
    const patience = { attempts: 1, firstDelayMs: 1, longestDelayMs: 1 };
    return openRegistryImages(
      [parseReference(`${registry.host}/team/app:1`)],
      { ...settings, patience },
      {
        platforms: [],
      },
    );
  }

  const login = () => ({
    DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [registry.host]: user } }),
  });
  const known = [{ code: 'image_unknown', context: { status: 404 } }];

  it('lets in who shows the certificate and the password of registries.yaml', async () => {
    const tls = { ca_file: authority.caFile, cert_file: own.certFile, key_file: own.keyFile };
    const registries = await put(
      'registries.yaml',
      JSON.stringify({ configs: { [registry.host]: { auth: user, tls } } }),
    );
    await using images = await open({ registries });
    expect(images.failed).toMatchObject(known);
  });

  it.each(['pair', 'one file'])('lets in who shows the certificate of hosts.toml, as %s', async (form) => {
    const both = await put('both.pem', `${own.cert}\n${own.key}`);
    const client = form === 'pair' ? [[own.certFile, own.keyFile]] : both;
    const file = `${hostDirectory(registry.host)}/hosts.toml`;
    await put(
      `certs.d/${file}`,
      `ca = ${JSON.stringify(authority.caFile)}\nclient = ${JSON.stringify(client)}`,
    );
    await using images = await open({ hostsDir: join(dir, 'certs.d') }, login());
    expect(images.failed).toMatchObject(known);
  });

  it("lets in who has Docker's files for it", async () => {
    const folder = `docker.d/${registry.host}`;
    await put(`${folder}/ca.crt`, authority.pair.cert);
    await put(`${folder}/own.cert`, own.cert);
    await put(`${folder}/own.key`, own.key);
    await using images = await open({ hostsDir: join(dir, 'docker.d') }, login());
    expect(images.failed).toMatchObject(known);
  });

  it('says that a certificate is wanted, of who has none or one of another authority', async () => {
    await using other = await makeTestAuthority('other');
    const wrong = await other.issue('own', { usages: ['client'] });
    for (const client of [{}, { cert_file: wrong.certFile, key_file: wrong.keyFile }]) {
      const tls = { ca_file: authority.caFile, ...client };
      const registries = await put(
        'wrong.yaml',
        JSON.stringify({ configs: { [registry.host]: { auth: user, tls } } }),
      );
      await using images = await open({ registries });
      // Over TLS 1.3 the server may be gone before its alert is read
      expect(images.failed).toMatchObject([
        { code: expect.stringMatching(/^registry_un(?:authorized|reachable)$/) },
      ]);
      expect(images.failed[0]?.hint).toContain('tls.cert_file');
      expect(toldOf(images.failed)).not.toContain(user.password);
    }
  });

  it('is not spoken to in plain HTTP because its certificate is not trusted', async () => {
    const registries = await put('plain.yaml', JSON.stringify({ configs: { [registry.host]: { tls: {} } } }));
    await using images = await open({ registries }, login());
    expect(images.failed).toMatchObject([{ code: 'registry_untrusted' }]);
    expect(registry.requests().join()).not.toContain(' 400');
  });
});

/** Of images of the registry itself. */
it('an image of a configured registry is asked for where it is, and not as one of another', async () => {
  const image = await randomImage({ seed: 'ns' });
  const { startFakeRegistry } = await import('../support/registry/fake-registry.ts');
  await using registry = await startFakeRegistry({ tags: { 'app:1': image } });
  const dir = await mkdtemp(join(tmpdir(), 'imgctl-configured-'));
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => rm(dir, { recursive: true, force: true }));
  const registries = join(dir, 'registries.yaml');
  const endpoint = [`http://${registry.host}/v2`, 'mirror.invalid'];
  await writeFile(registries, JSON.stringify({ mirrors: { [registry.host]: { endpoint } } }));
  const hosts = await registryHosts({ registries });
  const settings = registrySettings({ hosts, env: {}, onWarning: () => {} });
  const reference = parseReference(`${registry.host}/app:1`);
  await using images = await openRegistryImages([reference], settings, { platforms: [] });
  expect(images.failed).toEqual([]);
  expect(registry.paths().join()).not.toContain('ns=');
});
