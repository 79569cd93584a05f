import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { loadClientTrust, type TrustFiles } from '../../src/trust/client-trust.ts';
import { configDir } from '../../src/trust/default-files.ts';
import { initTrust } from '../../src/trust/init.ts';

const run = promisify(execFile);
const years = (n: number) => new Date(Date.now() + n * 365 * 86_400_000);

/** A home whose configuration directory holds one cluster's files; another cluster's are elsewhere. */
let home: string;
let ours: string;
let other: string;
let env: { HOME: string };
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'imgctl-test-client-trust-'));
  env = { HOME: home };
  ours = configDir(env);
  other = join(home, 'other');
  await initTrust({ dir: ours, hosts: [], client: 'me' });
  await initTrust({ dir: other, hosts: [], client: 'me-there' });
});
afterAll(() => rm(home, { recursive: true, force: true }));

const read = (dir: string, name: string) => readFile(join(dir, name), 'utf8');
const tokenOf = async (dir: string) => (await read(dir, 'token')).trim();
const setOf = async (dir: string) => ({
  token: await tokenOf(dir),
  ca: await read(dir, 'ca.crt'),
  caFile: join(dir, 'ca.crt'),
  cert: await read(dir, 'client.crt'),
  key: await read(dir, 'client.key'),
});

describe('files that were not named', () => {
  it('are those of the configuration directory', async () => {
    expect(ours).toBe(join(home, '.config', 'imgctl'));
    expect(await loadClientTrust({}, env)).toEqual(await setOf(ours));
    expect(await loadClientTrust({}, { XDG_CONFIG_HOME: join(home, '.config') })).toEqual(await setOf(ours));
  });

  it('are beside the authority that was named: no cluster is shown the token of another', async () => {
    expect(await loadClientTrust({ caFile: join(other, 'ca.crt') }, env)).toEqual(await setOf(other));
    const alone = join(home, 'alone', 'ca.crt');
    await mkdir(dirname(alone));
    await copyFile(join(other, 'ca.crt'), alone);
    const trust = await loadClientTrust({ caFile: alone }, env);
    expect([trust.ca, trust.cert]).toEqual([await read(other, 'ca.crt'), undefined]);
    expect(trust.token).not.toBe(await tokenOf(ours));
  });

  it('are beside the token that was named, where an authority is there', async () => {
    expect(await loadClientTrust({ tokenFile: join(other, 'token') }, env)).toEqual(await setOf(other));
  });

  it('are those of the configuration directory for a token that stands alone', async () => {
    const tokenFile = join(home, 'secret-token');
    await writeFile(tokenFile, 'a-token-of-its-own\n', { mode: 0o600 });
    expect(await loadClientTrust({ tokenFile }, env)).toEqual({
      ...(await setOf(ours)),
      token: 'a-token-of-its-own',
    });
  });

  it('are not needed: a token without an authority is one for a node on this machine', async () => {
    const bare = join(home, 'bare');
    await mkdir(join(bare, 'imgctl'), { recursive: true });
    await writeFile(join(bare, 'imgctl', 'token'), 'a-token-of-its-own\n', { mode: 0o600 });
    expect(await loadClientTrust({}, { XDG_CONFIG_HOME: bare })).toMatchObject({
      token: 'a-token-of-its-own',
    });
  });
});

describe('files that were named', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(home, 'named-'));
    for (const name of ['ca.crt', 'ca.key', 'client.crt', 'client.key', 'agent.crt', 'token']) {
      await copyFile(join(ours, name), join(dir, name));
    }
  });
  const path = (name: string) => join(dir, name);
  const put = (name: string, text: string) => writeFile(path(name), text);

  it('may hold several authorities, and a chain that leads to one', async () => {
    const both = `a remark\n${await read(ours, 'ca.crt')}${await read(other, 'ca.crt')}`;
    await put('ca.crt', both);
    await put('client.crt', `${await read(ours, 'client.crt')}${await read(ours, 'ca.crt')}`);
    expect((await loadClientTrust({ caFile: path('ca.crt') }, env)).ca).toBe(both);
  });

  it('may hold an authority that has ended, beside one that counts', async () => {
    await initTrust({ dir: path('old'), hosts: [], now: years(-11) });
    await put('ca.crt', `${await read(path('old'), 'ca.crt')}${await read(ours, 'ca.crt')}`);
    await expect(loadClientTrust({ caFile: path('ca.crt') }, env)).resolves.toBeDefined();
  });

  it('are warned of when every user of the machine can read what is secret', async () => {
    await chmod(path('token'), 0o644);
    await chmod(path('client.key'), 0o604);
    const warnings: string[] = [];
    await loadClientTrust({ caFile: path('ca.crt') }, env, (message) => warnings.push(message));
    expect(warnings).toEqual([
      `every user of this machine can read ${path('token')}: chmod 600 ${path('token')}`,
      `every user of this machine can read ${path('client.key')}: chmod 600 ${path('client.key')}`,
    ]);
  });

  const ca: TrustFiles = { caFile: 'ca.crt' };
  const pair: TrustFiles = { certFile: 'client.crt', keyFile: 'client.key' };

  it.each<[what: string, files: TrustFiles, spoil: () => Promise<unknown>, message: RegExp, hint?: RegExp]>([
    ['a file that is not there', ca, () => rm(path('ca.crt')), /ca\.crt cannot be read: it does not exist/],
    [
      'a file without an end',
      { caFile: '/dev/zero' },
      async () => {},
      /\/dev\/zero cannot be read: it is far too large/,
    ],
    [
      'a key for a certificate',
      ca,
      () => copyFile(path('ca.key'), path('ca.crt')),
      /holds a key only/,
      /BEGIN CERT/,
    ],
    ['anything else', ca, () => put('ca.crt', 'hello'), /holds no certificate/, /BEGIN CERT/],
    [
      'a certificate that was changed on its way',
      ca,
      async () => put('ca.crt', (await read(ours, 'ca.crt')).replace('MII', 'AII')),
      /cannot be understood/,
      /Copy it again/,
    ],
    [
      "a host's certificate for an authority's",
      ca,
      () => copyFile(path('agent.crt'), path('ca.crt')),
      /of a host, not of an authority/,
      /ca\.crt that `imgctl init` made/,
    ],
    [
      'an authority that has ended',
      ca,
      async () => {
        await initTrust({ dir: path('old'), hosts: [], now: years(-11) });
        await copyFile(join(path('old'), 'ca.crt'), path('ca.crt'));
      },
      /does not count now: it ended on \d{4}-\d\d-\d\d$/,
      /--renew.*clock/,
    ],
    [
      'an authority of tomorrow',
      ca,
      async () => {
        await initTrust({ dir: path('new'), hosts: [], now: years(1) });
        await copyFile(join(path('new'), 'ca.crt'), path('ca.crt'));
      },
      /it starts on/,
      /clock/,
    ],
    [
      "another's key",
      pair,
      () => copyFile(join(other, 'client.key'), path('client.key')),
      /is not the key of/,
      /made together/,
    ],
    [
      'a key that is none',
      pair,
      () => put('client.key', 'hello'),
      /client\.key holds no private key/,
      /BEGIN PRIVATE/,
    ],
    [
      'a key that is locked',
      pair,
      () =>
        run('openssl', [
          'pkey',
          '-in',
          join(ours, 'client.key'),
          '-aes256',
          '-passout',
          'pass:x',
          '-out',
          path('client.key'),
        ]),
      /is locked with a passphrase/,
      /openssl pkey/,
    ],
    [
      'a certificate that has ended',
      pair,
      async () => {
        await initTrust({ dir: path('old'), hosts: [], client: 'me', now: years(-3) });
        for (const name of ['client.crt', 'client.key']) await copyFile(join(path('old'), name), path(name));
      },
      /client\.crt does not count now: it ended/,
      /--renew/,
    ],
  ])('are refused before anybody is spoken to: %s', async (_, files, spoil, message, hint = /^/) => {
    await spoil();
    const named = Object.entries(files).map(([name, file]) => [
      name,
      file.startsWith('/') ? file : path(file),
    ]);
    await expect(loadClientTrust(Object.fromEntries(named), env)).rejects.toMatchObject({
      code: 'certificate_invalid',
      message: expect.stringMatching(message),
      ...(hint.source === '^' ? {} : { hint: expect.stringMatching(hint) }),
      context: { path: expect.any(String) },
    });
  });

  it.each<TrustFiles>([{ certFile: 'c' }, { keyFile: 'k' }])(
    'go together, certificate and key: not %j',
    async (files) => {
      await expect(loadClientTrust(files, env)).rejects.toMatchObject({ code: 'usage' });
    },
  );
});
