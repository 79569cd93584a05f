import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeCertificate } from '../../src/trust/describe-certificate.ts';
import { initTrust } from '../../src/trust/init.ts';
import { makeAuthority } from '../../src/trust/issue-certificate.ts';
import { readKeyPair } from '../../src/trust/read-certificates.ts';
import { renewTrust } from '../../src/trust/renew.ts';
import { opensslVerify } from './openssl.ts';

const run = promisify(execFile);
const years = (n: number) => new Date(Date.now() + n * 365 * 86_400_000);

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'imgctl-test-renew-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const path = (name: string) => join(dir, name);
const read = (name: string) => readFile(path(name), 'utf8');
const agent = { cert: 'agent.crt', key: 'agent.key' };
const factsOf = async (name: string) => describeCertificate(await read(name));

describe('renewing', () => {
  it('makes a new certificate and key for agents, and leaves authority and token as they are', async () => {
    await initTrust({ dir, hosts: [] });
    const names = ['ca.crt', 'ca.key', 'token', 'agent.crt', 'agent.key'];
    const before = await Promise.all(names.map(read));
    const { extended, certificates } = await renewTrust({ dir, hosts: [] });
    const after = await Promise.all(names.map(read));
    expect(after.map((text, i) => text === before[i])).toEqual([true, true, true, false, false]);
    expect([extended, certificates.map(({ file }) => file)]).toEqual([false, ['agent.crt']]);
    await readKeyPair({ cert: path(agent.cert), key: path(agent.key) });
    expect((await stat(path('agent.key'))).mode & 0o777).toBe(0o600);
    const pair = { ca: path('ca.crt'), cert: path('agent.crt'), purpose: 'sslserver' } as const;
    expect(await opensslVerify(pair, '-verify_hostname', 'imgctl-agent')).toMatch(/: OK$/);
    expect((await readdir(dir)).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('renews all certificates that are there, each for the names that it had', async () => {
    await initTrust({ dir, hosts: [['worker-1', '10.0.4.17'], ['fd00::1']], client: 'ci' });
    const { certificates } = await renewTrust({ dir, hosts: [] });
    expect(certificates.map(({ file, subject, names }) => [file, subject, names])).toEqual([
      ['agent-fd00--1.crt', 'fd00::1', ['fd00::1']],
      ['agent-worker-1.crt', 'worker-1', ['worker-1', '10.0.4.17']],
      ['client.crt', 'ci', []],
    ]);
  });

  it('adds a host that is named, and leaves the others as they are', async () => {
    await initTrust({ dir, hosts: [['worker-1']] });
    const before = await read('agent-worker-1.crt');
    await renewTrust({ dir, hosts: [['worker-2']] });
    expect(await read('agent-worker-1.crt')).toBe(before);
    const added = { ca: path('ca.crt'), cert: path('agent-worker-2.crt'), purpose: 'sslserver' } as const;
    expect(await opensslVerify(added, '-verify_hostname', 'worker-2')).toMatch(/: OK$/);
    expect((await stat(path('agent-worker-2.key'))).mode & 0o777).toBe(0o600);
  });

  it('extends an authority that would end before: who trusts the old one trusts the new, and the other way', async () => {
    await initTrust({ dir, hosts: [], now: years(-9) });
    await Promise.all(['ca', 'agent'].map((name) => copyFile(path(`${name}.crt`), path(`old-${name}.pem`))));
    const key = await read('ca.key');
    const { extended } = await renewTrust({ dir, hosts: [] });
    expect([extended, await read('ca.key')]).toEqual([true, key]);
    expect((await factsOf('ca.crt')).notAfter > years(9.9)).toBe(true);
    expect((await factsOf('ca.crt')).subject).toBe((await factsOf('old-ca.pem')).subject);
    const pair = (ca: string, cert: string) =>
      ({ ca: path(ca), cert: path(cert), purpose: 'sslserver' }) as const;
    expect(await opensslVerify(pair('ca.crt', 'agent.crt'))).toMatch(/: OK$/);
    expect(await opensslVerify(pair('old-ca.pem', 'agent.crt'))).toMatch(/: OK$/);
    const eightYearsAgo = String(Math.floor(years(-8).getTime() / 1000));
    expect(await opensslVerify(pair('old-ca.pem', 'old-agent.pem'), '-attime', eightYearsAgo)).toMatch(
      /: OK$/,
    );
  });

  it("takes a company's own authority, with an RSA key, which it does not extend: certificates end with it", async () => {
    const made = [
      '-keyout',
      path('ca.key'),
      '-out',
      path('ca.crt'),
      '-days',
      '30',
      '-subj',
      '/O=A/CN=Company',
    ];
    const root = ['-keyout', path('root.key'), '-out', path('root.pem'), '-subj', '/CN=Root'];
    await run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...root]);
    const authority = [
      '-addext',
      'basicConstraints=critical,CA:true',
      '-addext',
      'keyUsage=critical,keyCertSign',
    ];
    const signer = ['-CA', path('root.pem'), '-CAkey', path('root.key')];
    await run('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...made, ...authority, ...signer]);
    const { extended, certificates, authority: ca } = await renewTrust({ dir, hosts: [] });
    expect([extended, certificates[0]?.notAfter]).toEqual([false, ca.notAfter]);
    const { stdout } = await run('openssl', [
      ...['verify', '-CAfile', path('root.pem'), '-untrusted', path('ca.crt')],
      ...['-verify_hostname', 'imgctl-agent', path('agent.crt')],
    ]);
    expect(stdout).toMatch(/: OK$/m);
  });

  it('leaves a secret readable for the group that was given it, and for nobody else', async () => {
    await initTrust({ dir, hosts: [] });
    await run('chmod', ['644', path('agent.key')]);
    await renewTrust({ dir, hosts: [] });
    expect((await stat(path('agent.key'))).mode & 0o777).toBe(0o640);
  });
});

describe('what cannot be renewed', () => {
  beforeEach(() => initTrust({ dir, hosts: [] }));

  const stranger = () => makeAuthority('A stranger', { notBefore: years(-1), notAfter: years(5) });

  it.each<[what: string, spoil: () => Promise<unknown>, message: RegExp, hint: RegExp]>([
    [
      'without the key',
      () => rm(path('ca.key')),
      /ca\.key cannot be read: it does not exist/,
      /not copied to nodes/,
    ],
    ['without the authority', () => rm(path('ca.crt')), /ca\.crt cannot be read/, /Without --renew/],
    [
      "with another authority's key",
      async () => writeFile(path('ca.key'), (await stranger()).key),
      /ca\.key is not the key of .*ca\.crt/,
      /made together/,
    ],
    ['with a key that is none', () => writeFile(path('ca.key'), 'x'), /ca\.key holds no private key/, /PEM/],
    [
      'with a certificate that is cut',
      () => writeFile(path('agent.crt'), 'x'),
      /agent\.crt holds no certificate/,
      /PEM/,
    ],
    [
      'with a certificate for nobody',
      async () => writeFile(path('agent.crt'), await read('ca.crt')),
      /agent\.crt is for no host/,
      /--host/,
    ],
    [
      'without room to write',
      async () => {
        await rm(path('agent.crt'));
        await mkdir(path('agent.crt.d'));
        await rm(path('agent.key'));
        await mkdir(path('agent.key'));
      },
      /nothing could be written/,
      /--dir/,
    ],
  ])('is said: %s', async (_, spoil, message, hint) => {
    await spoil();
    await expect(renewTrust({ dir, hosts: [] })).rejects.toMatchObject({
      code: 'certificate_invalid',
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });
  });
});
