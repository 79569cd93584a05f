import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseCredentialDocument } from '../../../src/config/credentials/credential-document.ts';
import { credentialFiles } from '../../../src/config/credentials/credential-files.ts';
import { askHelper } from '../../../src/config/credentials/credential-helper.ts';
import { credentialSources } from '../../../src/config/credentials/credential-sources.ts';
import { mergedSecrets, pullSecretDocument } from '../../../src/config/credentials/pull-secret.ts';
import { parsePullSecretName } from '../../../src/config/credentials/pull-secret-name.ts';

let dir: string;
let warnings: string[];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'imgctl-credentials-'));
  warnings = [];
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const onWarning = (message: string) => void warnings.push(message);
const base64 = (text: string) => Buffer.from(text).toString('base64');

async function put(name: string, content: string, mode = 0o644): Promise<string> {
  const path = join(dir, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
  await chmod(path, mode);
  return path;
}

const login = (registry: string, text: string) => ({ auths: { [registry]: { auth: base64(text) } } });

describe('credentials', () => {
  it('are a name and a password, in either form, or tokens', () => {
    const auths = {
      a: { auth: base64('user:pass:word') },
      b: { username: 'user', password: 'word' },
      c: { identitytoken: 'refresh', auth: base64('00000000-0000:') },
      d: { registrytoken: 'mine' },
      e: {},
      f: { auth: 'not base64 of anything' },
      g: 5,
    };
    const document = parseCredentialDocument(JSON.stringify({ auths }), 'config.json');
    expect(document?.entries.toReversed()).toEqual([
      { key: 'a', credential: { kind: 'password', username: 'user', password: 'pass:word' } },
      { key: 'b', credential: { kind: 'password', username: 'user', password: 'word' } },
      { key: 'c', credential: { kind: 'identity', token: 'refresh' } },
      { key: 'd', credential: { kind: 'registry', token: 'mine' } },
    ]);
  });

  it("are looked for in Docker's places and the kubelet's, in this order", async () => {
    const put1 = (name: string) => put(name, JSON.stringify(login('r.io', `${name}:p`)));
    await put1('home/.docker/config.json');
    await put1('var/lib/kubelet/config.json');
    await put1('.docker/config.json');
    await put('home/.dockercfg', JSON.stringify({ 'r.io': { auth: base64('old:p') } }));
    await put('var/lib/kubelet/.dockercfg', 'no json');
    const sources = async (env: Record<string, string>) =>
      (await credentialFiles({ env, root: dir, onWarning })).map(({ source }) =>
        source.replace(`${dir}/`, ''),
      );
    const HOME = join(dir, 'home');
    const system = ['var/lib/kubelet/config.json', '.docker/config.json'];
    expect(await sources({ HOME })).toEqual(['home/.docker/config.json', ...system, 'home/.dockercfg']);
    expect(warnings.join()).toContain('var/lib/kubelet/.dockercfg is passed over');
    await put1('elsewhere/config.json');
    const there = { HOME, DOCKER_CONFIG: join(dir, 'elsewhere') };
    expect(await sources(there)).toEqual(['elsewhere/config.json', ...system, 'home/.dockercfg']);
    expect(await sources({})).toEqual(system);
  });

  it('may stand in the environment, as Docker and CI servers have them', async () => {
    await put('home/.docker/config.json', JSON.stringify(login('r.io', 'file:p')));
    const env = {
      HOME: join(dir, 'home'),
      DOCKER_AUTH_CONFIG: JSON.stringify(login('r.io', 'ci:p')),
    };
    const found = await credentialFiles({ env, root: dir, onWarning });
    expect(found.map(({ source }) => source.replace(`${dir}/`, ''))).toEqual([
      'DOCKER_AUTH_CONFIG',
      'home/.docker/config.json',
    ]);
    expect(found[0]?.document.entries).toMatchObject([{ credential: { username: 'ci' } }]);
    await credentialFiles({ env: { DOCKER_AUTH_CONFIG: 'very-secret' }, root: dir, onWarning });
    expect(warnings).toEqual(['DOCKER_AUTH_CONFIG is passed over: it holds no credentials that can be read']);
  });

  it('are tried in the order of the documents, each with all that match', () => {
    const document = (auths: object) => {
      const parsed = parseCredentialDocument(JSON.stringify({ auths }), 'config.json');
      if (parsed === undefined) throw new Error('no document');
      return parsed;
    };
    const documents = [
      {
        source: 'first',
        document: document({ 'r.io': { auth: base64('a:a') }, 'r.io/team': { auth: base64('b:b') } }),
      },
      {
        source: 'second',
        document: document({ '*.io': { auth: base64('c:c') }, 'x.io': { auth: base64('d:d') } }),
      },
    ];
    const found = credentialSources(documents, 'r.io/team/app', { env: {}, onWarning });
    expect(found.map(({ source }) => source)).toEqual(['first (r.io/team)', 'first (r.io)', 'second (*.io)']);
  });
});

describe('credential helpers', () => {
  const helper = (name: string, script: string) =>
    put(`bin/docker-credential-${name}`, `#!/bin/sh\n${script}\n`, 0o755);

  async function ask(config: object, repository: string) {
    const document = parseCredentialDocument(JSON.stringify(config), 'config.json');
    if (document === undefined) throw new Error('no document');
    const env = { PATH: `${join(dir, 'bin')}:${process.env.PATH}`, ASKED: join(dir, 'asked') };
    const found = credentialSources([{ source: 'config.json', document }], repository, { env, onWarning });
    return Promise.all(found.map(({ get }) => get()));
  }

  it('are asked for their registry on standard input, and the store for all others', async () => {
    await helper('one', 'echo "$@" >>$ASKED; cat >>$ASKED; echo \'{"Username":"u","Secret":"one-secret"}\'');
    await helper(
      'store',
      'echo "$@" >>$ASKED; cat >>$ASKED; echo \'{"Username":"<token>","Secret":"refresh"}\'',
    );
    const config = { credHelpers: { 'r.io:5000': 'one' }, credsStore: 'store', auths: { 'r.io:5000': {} } };
    expect(await ask(config, 'r.io:5000/a')).toEqual([
      { kind: 'password', username: 'u', password: 'one-secret' },
    ]);
    expect(await ask(config, 'docker.io/library/nginx')).toEqual([{ kind: 'identity', token: 'refresh' }]);
    expect(await readFile(join(dir, 'asked'), 'utf8')).toBe(
      'get\nr.io:5000\nget\nhttps://index.docker.io/v1/\n',
    );
    expect(warnings).toEqual([]);
  });

  it('may print without end, or never end', async () => {
    await helper('endless', 'exec cat /dev/zero');
    await helper('hanging', 'sleep 60 & wait');
    const env = { PATH: `${join(dir, 'bin')}:${process.env.PATH}` };
    const told: string[] = [];
    const ask = (name: string, timeoutMs?: number) =>
      askHelper(name, 'r.io', { env, timeoutMs, onFailure: (why) => told.push(why) });
    expect(await ask('endless')).toBeUndefined();
    expect(await ask('hanging', 200)).toBeUndefined();
    expect(told).toEqual([
      'docker-credential-endless: it printed more than 1 MiB',
      'docker-credential-hanging: it did not end within 1 s',
    ]);
  });

  it('may know nothing, fail, be missing, or print nonsense: others are tried, and no secret is told', async () => {
    await helper('empty', 'echo credentials not found in native keychain; exit 1');
    await helper('broken', 'echo very-secret; echo very-secret >&2; exit 2');
    await helper('chatty', 'echo \'{"Username":"very-secret"}\'');
    for (const name of ['empty', 'broken', 'chatty', 'missing', '../bin/empty', 'a b;c'])
      expect(await ask({ credsStore: name, ...login('r.io', 'me:p') }, 'r.io/a')).toEqual([
        undefined,
        { kind: 'password', username: 'me', password: 'p' },
      ]);
    expect(warnings).toHaveLength(5);
    expect(warnings.join()).not.toContain('very-secret');
    expect(warnings.join()).toContain('docker-credential-missing: there is no such command');
  });
});

describe('a pull secret', () => {
  const name = { namespace: 'team', name: 'login' };
  const content = JSON.stringify({
    ...login('r.io', 'me:p'),
    credsStore: 'evil',
    credHelpers: { 'r.io': 'evil' },
  });

  it('has the entries of a config.json, and names no programs to run', () => {
    const secret = {
      type: 'kubernetes.io/dockerconfigjson',
      data: new Map([['.dockerconfigjson', content]]),
    };
    const document = pullSecretDocument(name, secret);
    const found = credentialSources([document], 'r.io/a', { env: {}, onWarning });
    expect(found.map(({ kind, source }) => `${kind} ${source}`)).toEqual([
      'password secret team/login (r.io)',
    ]);
  });

  it('may be of the older form', () => {
    const old = JSON.stringify({ 'https://r.io/v1/': { auth: base64('me:p') } });
    const document = pullSecretDocument(name, {
      type: 'kubernetes.io/dockercfg',
      data: new Map([['.dockercfg', old]]),
    });
    expect(document.document.entries).toMatchObject([{ key: 'r.io' }]);
  });

  it.each([
    ['Opaque', '.dockercfg', content],
    ['kubernetes.io/dockerconfigjson', '.dockercfg', content],
    ['kubernetes.io/dockerconfigjson', '.dockerconfigjson', 'no json'],
  ])('is refused where it is none: %s, %s', (type, key, value) => {
    expect(() => pullSecretDocument(name, { type, data: new Map([[key, value]]) })).toThrow(/no login/);
  });

  it('of which there are several are as one, as for the kubelet: the most special path of all comes first', () => {
    const documents = mergedSecrets(
      [
        login('r.io', 'a:a'),
        login('r.io/team', 'b:b'),
        login('index.docker.io', 'c:c'),
        login('docker.io', 'd:d'),
      ].map((config, i) =>
        pullSecretDocument(
          { namespace: 'team', name: `s${i}` },
          {
            type: 'kubernetes.io/dockerconfigjson',
            data: new Map([['.dockerconfigjson', JSON.stringify(config)]]),
          },
        ),
      ),
    );
    const sourcesFor = (repository: string) =>
      credentialSources(documents, repository, { env: {}, onWarning }).map(({ source }) => source);
    expect(sourcesFor('r.io/team/app')).toEqual(['secret team/s1 (r.io/team)', 'secret team/s0 (r.io)']);
    expect(sourcesFor('docker.io/library/nginx')).toEqual(['secret team/s3 (docker.io)']);
    expect(mergedSecrets([])).toEqual([]);
  });

  it('is named by namespace and name', () => {
    expect(parsePullSecretName('team-a/login.v1')).toEqual({ namespace: 'team-a', name: 'login.v1' });
    for (const wrong of ['login', 'a/b/c', '../x/y', 'a/', '/a', 'A/b', 'a/b?c', `a/${'b.'.repeat(200)}`])
      expect(() => parsePullSecretName(wrong)).toThrow(/not a secret/);
  });
});
