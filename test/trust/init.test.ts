import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeCertificate } from '../../src/trust/describe-certificate.ts';
import { initTrust } from '../../src/trust/init.ts';
import { opensslText, opensslVerify } from './openssl.ts';

let root: string;
let dir: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'imgctl-test-init-'));
  dir = join(root, 'new', 'imgctl');
});
afterEach(() => rm(root, { recursive: true, force: true }));

const read = (name: string) => readFile(join(dir, name), 'utf8');
const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);

describe('what a cluster trusts', () => {
  it('is made in a directory that only its owner may enter, with secrets that only he may read', async () => {
    await initTrust({ dir, hosts: [] });
    expect((await readdir(dir)).sort()).toEqual(['agent.crt', 'agent.key', 'ca.crt', 'ca.key', 'token']);
    expect(await modeOf(dir)).toBe('700');
    for (const secret of ['ca.key', 'agent.key', 'token']) {
      expect([secret, await modeOf(join(dir, secret))]).toEqual([secret, '600']);
    }
    expect(await read('token')).toMatch(/^[\w-]{43}\n$/);
    expect(await read('agent.key')).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
  });

  it('is an authority that OpenSSL accepts, which signs hosts and no other authorities', async () => {
    await initTrust({ dir, hosts: [] });
    const text = await opensslText(join(dir, 'ca.crt'));
    expect(text).toMatch(/Basic Constraints: critical\s+CA:TRUE, pathlen:0\n/);
    expect(text).toMatch(/Key Usage: critical\s+Certificate Sign, CRL Sign\n/);
    expect(text).toMatch(/Subject Key Identifier/);
    expect(text).toMatch(/Subject: CN = imgctl CA \d{4}-\d\d-\d\d /);
    const { notAfter } = describeCertificate(await read('ca.crt'));
    expect(notAfter.getTime() - Date.now()).toBeGreaterThan(9.9 * 365 * 86_400_000);
  });

  it('has one certificate for all agents, who serve and are clients of each other', async () => {
    await initTrust({ dir, hosts: [] });
    const [ca, cert] = [join(dir, 'ca.crt'), join(dir, 'agent.crt')];
    for (const purpose of ['sslserver', 'sslclient'] as const) {
      expect(await opensslVerify({ ca, cert, purpose }, '-verify_hostname', 'imgctl-agent')).toMatch(/: OK$/);
    }
    const text = await opensslText(cert);
    expect(text).toMatch(/Basic Constraints: critical\s+CA:FALSE/);
    expect(text).toMatch(/Key Usage: critical\s+Digital Signature\n/);
    expect(text).toMatch(/TLS Web Server Authentication, TLS Web Client Authentication/);
    expect(text).toMatch(/Authority Key Identifier/);
    expect(text).toMatch(/DNS:imgctl-agent\n/);
  });

  it('counts from an hour ago, for nodes whose clock is behind, and for two years', async () => {
    const now = new Date('2030-06-01T12:00:00.700Z');
    const { certificates } = await initTrust({ dir, hosts: [], now });
    expect(certificates).toMatchObject([
      {
        file: 'agent.crt',
        subject: 'imgctl-agent',
        names: ['imgctl-agent'],
        issuer: expect.stringMatching(/^imgctl CA 2030-06-01 /),
        notBefore: new Date('2030-06-01T11:00:00Z'),
        notAfter: new Date('2032-05-31T12:00:00Z'),
        isAuthority: false,
      },
    ]);
  });

  it('has a certificate for each host that was named, which no other host can show', async () => {
    await initTrust({ dir, hosts: [['worker-1', '10.0.4.17'], ['fd00::1']] });
    expect((await readdir(dir)).filter((name) => name.startsWith('agent'))).toEqual([
      'agent-fd00--1.crt',
      'agent-fd00--1.key',
      'agent-worker-1.crt',
      'agent-worker-1.key',
    ]);
    const worker = {
      ca: join(dir, 'ca.crt'),
      cert: join(dir, 'agent-worker-1.crt'),
      purpose: 'sslserver',
    } as const;
    expect(await opensslVerify(worker, '-verify_hostname', 'worker-1')).toMatch(/: OK$/);
    expect(await opensslVerify(worker, '-verify_ip', '10.0.4.17')).toMatch(/: OK$/);
    expect(await opensslVerify(worker, '-verify_ip', '10.0.4.18')).toMatch(/IP address mismatch/);
    expect(await opensslVerify(worker, '-verify_hostname', 'imgctl-agent')).toMatch(/hostname mismatch/);
    expect(describeCertificate(await read('agent-fd00--1.crt')).names).toEqual(['fd00::1']);
  });

  it.each([
    ['::ffff:10.0.4.17', '::ffff:a00:411'],
    ['64:ff9b::10.0.4.17', '64:ff9b::a00:411'],
    ['FD00:0:0:0:0:0:0:1', 'fd00::1'],
  ])('is for the IPv6 address %s as it was meant', async (host, address) => {
    const { certificates } = await initTrust({ dir, hosts: [['worker-1', host]] });
    expect(certificates.map(({ names }) => names)).toEqual([['worker-1', address]]);
    const cert = {
      ca: join(dir, 'ca.crt'),
      cert: join(dir, 'agent-worker-1.crt'),
      purpose: 'sslserver',
    } as const;
    expect(await opensslVerify(cert, '-verify_ip', host)).toMatch(/: OK$/);
  });

  it.each([
    [[['a'], ['a']], 'a'],
    [[['worker-1', '10.0.4.17'], ['Worker-1']], 'Worker-1'],
    [[['fd00::1'], ['fd00--1']], 'fd00--1'],
  ] as const)('is refused where two hosts would have the same files: %j', async (hosts, name) => {
    await expect(initTrust({ dir, hosts })).rejects.toMatchObject({
      code: 'usage',
      message: `--host ${name} names the same files as another --host`,
    });
    expect(await readdir(dir).catch(() => [])).toEqual([]);
  });

  it('has a certificate for the command where one is asked for, which cannot pass for an agent', async () => {
    await initTrust({ dir, hosts: [], client: 'ci' });
    const client = { ca: join(dir, 'ca.crt'), cert: join(dir, 'client.crt') };
    expect(await modeOf(join(dir, 'client.key'))).toBe('600');
    expect(await opensslVerify({ ...client, purpose: 'sslclient' })).toMatch(/: OK$/);
    expect(await opensslVerify({ ...client, purpose: 'sslserver' })).toMatch(
      /unsuitable certificate purpose/,
    );
    expect(describeCertificate(await read('client.crt'))).toMatchObject({ subject: 'ci', names: [] });
  });

  it('is never the same twice: serial numbers, keys and tokens are random', async () => {
    const other = join(root, 'other');
    await Promise.all([initTrust({ dir, hosts: [] }), initTrust({ dir: other, hosts: [] })]);
    for (const name of ['ca.key', 'agent.key', 'token', 'ca.crt', 'agent.crt']) {
      expect(await read(name)).not.toBe(await readFile(join(other, name), 'utf8'));
    }
  });

  it('leaves what else is in the directory alone', async () => {
    await initTrust({ dir, hosts: [] });
    await Promise.all(
      ['agent.crt', 'agent.key', 'ca.crt', 'ca.key', 'token'].map((name) => rm(join(dir, name))),
    );
    await writeFile(join(dir, 'config.yaml'), 'contexts: {}\n');
    await initTrust({ dir, hosts: [] });
    expect(await read('config.yaml')).toBe('contexts: {}\n');
  });
});

describe('what is there already', () => {
  it('is never overwritten', async () => {
    await initTrust({ dir, hosts: [] });
    const before = await Promise.all((await readdir(dir)).sort().map(read));
    await expect(initTrust({ dir, hosts: [] })).rejects.toMatchObject({
      code: 'usage',
      message: `${dir} holds agent.crt, agent.key, ca.crt, ca.key, token already: nothing was changed`,
      hint: expect.stringMatching(/--renew .*--dir DIR/),
    });
    expect(await Promise.all((await readdir(dir)).sort().map(read))).toEqual(before);
  });

  it('is told apart where it is the rest of a set', async () => {
    await initTrust({ dir, hosts: [] });
    await rm(join(dir, 'ca.crt'));
    await expect(initTrust({ dir, hosts: [] })).rejects.toMatchObject({
      hint: expect.stringContaining('no ca.crt'),
    });
  });

  it('stays whole when several make it at once: one does, the others say so', async () => {
    const results = await Promise.allSettled([1, 2, 3, 4].map(() => initTrust({ dir, hosts: [] })));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'usage' });
    }
    expect(await readdir(dir)).toHaveLength(5);
    const pair = { ca: join(dir, 'ca.crt'), cert: join(dir, 'agent.crt'), purpose: 'sslserver' } as const;
    expect(await opensslVerify(pair)).toMatch(/: OK$/);
  });
});

describe('nothing is left behind', () => {
  it('when it was interrupted', async () => {
    await expect(initTrust({ dir, hosts: [], signal: AbortSignal.abort() })).rejects.toThrow();
    expect(await readdir(dir)).toEqual([]);
  });

  it.each([
    ['in a file', (file: string) => file, 'is a file'],
    ['below a file', (file: string) => join(file, 'below'), 'is a file'],
    ['where no directory can be made', () => '/proc/imgctl', 'does not exist'],
  ])('%s', async (_, dirOf, why) => {
    const file = join(root, 'file');
    await writeFile(file, '');
    await expect(initTrust({ dir: dirOf(file), hosts: [] })).rejects.toMatchObject({
      code: 'certificate_invalid',
      message: expect.stringContaining(why),
      hint: expect.stringContaining('--dir'),
    });
  });
});
