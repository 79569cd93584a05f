import { X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AgentTrust, createAgentClient } from '../../src/agent-api/agent-client.ts';
import { createMemoryStore } from '../../src/store/memory/memory-store.ts';
import { days, makeTestAuthority, type TestAuthority } from '../support/agent-certificates.ts';
import { chunksOf, randomBlob } from '../support/blobs.ts';
import { startAgent, type TestAgent } from './test-agent.ts';

let authority: TestAuthority;
let stranger: TestAuthority;
beforeAll(async () => {
  authority = await makeTestAuthority();
  stranger = await makeTestAuthority('a stranger');
});
afterAll(async () => {
  await authority[Symbol.asyncDispose]();
  await stranger[Symbol.asyncDispose]();
});

/** An agent with a certificate of the name's own, and a client that trusts it. */
async function startTls(name: string, settings: Parameters<typeof startAgent>[1] = {}): Promise<TestAgent> {
  const { certFile, keyFile } = await authority.issue(name);
  return startAgent(createMemoryStore(), {
    ...settings,
    settings: { tlsCert: certFile, tlsKey: keyFile, ...settings.settings },
    trust: { ca: authority.pair.cert, ...settings.trust },
  });
}

/** SHA-256 of the certificate that a new handshake shows. */
function shownBy(agent: TestAgent): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(
      { port: Number(agent.url.port), host: '127.0.0.1', rejectUnauthorized: false },
      () => {
        resolve(socket.getPeerX509Certificate()?.fingerprint256 ?? '');
        socket.destroy();
      },
    );
    socket.on('error', reject);
  });
}

async function asked<T>(agent: TestAgent, trust: AgentTrust, work: 'describe' | 'healthz' = 'describe') {
  await using client = createAgentClient({ baseUrl: agent.url, trust, name: 'node-1' });
  return (await client[work]().catch((error) => error)) as T;
}

describe('an agent with a certificate', () => {
  it('speaks HTTPS, and says of itself until when', async () => {
    await using agent = await startTls('plain');

    const { fingerprint256, validToDate } = new X509Certificate((await authority.issue('other')).cert);
    const { tls, features, uptimeMs, timeMs } = await agent.client.describe();

    expect(agent.ready.tls).toBe(true);
    expect(tls?.fingerprint).toBe(await shownBy(agent));
    expect(tls?.fingerprint).not.toBe(fingerprint256);
    expect(Math.abs(Date.parse(tls?.notAfter ?? '') - validToDate.getTime())).toBeLessThan(60_000);
    expect(features).toContain('tls');
    expect(uptimeMs).toBeGreaterThanOrEqual(0);
    expect(Math.abs((timeMs ?? 0) - Date.now())).toBeLessThan(5_000);
  });

  it('may listen beyond loopback', async () => {
    await using agent = await startTls('beyond', { settings: { listen: ['0.0.0.0:0'] } });
    expect(agent.ready.addresses[0]).toMatch(/^0\.0\.0\.0:/);
  });

  it('answers plain HTTP with what to do, as JSON', async () => {
    await using agent = await startTls('spoken');
    const url = `http://127.0.0.1:${agent.url.port}/v1/node`;

    const answer = await fetch(url, { headers: { connection: 'close' } });

    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({
      error: {
        code: 'node_untrusted',
        message: expect.stringContaining('HTTPS'),
        hint: expect.stringContaining('https://'),
      },
    });
  });

  it('speaks no TLS older than 1.2', async () => {
    await using agent = await startTls('old');
    const error = await new Promise<NodeJS.ErrnoException>((resolve) => {
      connect({
        port: Number(agent.url.port),
        host: '127.0.0.1',
        rejectUnauthorized: false,
        minVersion: 'TLSv1',
        maxVersion: 'TLSv1.1',
        ciphers: 'DEFAULT@SECLEVEL=0',
      }).on('error', resolve);
    });
    expect(error.code).toMatch(/PROTOCOL/);
  });

  it('gives up a handshake that does not come', async () => {
    await using agent = await startTls('slow', { limits: { headersMs: 300 } });
    const socket = connectTcp(Number(agent.url.port), '127.0.0.1');
    const begun = performance.now();
    await new Promise((resolve) =>
      socket
        .on('close', resolve)
        .on('error', () => {})
        .resume(),
    );
    expect(performance.now() - begun).toBeLessThan(3_000);
  });

  it('closes what one address opens beyond its share', async () => {
    await using agent = await startTls('crowded');
    const dial = () => connectTcp(Number(agent.url.port), '127.0.0.1').on('error', () => {});
    const sockets = Array.from({ length: 256 }, dial);
    await new Promise((resolve) => setTimeout(resolve, 300));

    await new Promise((resolve) => dial().resume().once('close', resolve));

    for (const socket of sockets) socket.destroy();
    await expect.poll(() => agent.client.healthz().then(() => 'served', String)).toBe('served');
  });

  it.each<[string, () => Promise<object>, RegExp]>([
    [
      'a key of another certificate',
      async () => ({
        tlsCert: (await authority.issue('pair-a')).certFile,
        tlsKey: (await authority.issue('pair-b')).keyFile,
      }),
      /pair-b\.key is not the private key of the certificate .*pair-a\.crt/,
    ],
    [
      'a certificate that is not there',
      async () => ({ tlsCert: '/no/such.crt', tlsKey: '/no/such.key' }),
      /no\/such\.crt cannot be read: it does not exist/,
    ],
    ['a certificate without its key', async () => ({ tlsCert: 'x' }), /go together/],
    ['--client-ca alone', async () => ({ clientCa: authority.caFile }), /--client-ca needs/],
    [
      'what is no certificate',
      async () => {
        const { keyFile } = await authority.issue('nonsense');
        return { tlsCert: keyFile, tlsKey: keyFile };
      },
      /nonsense\.key is not a certificate in PEM/,
    ],
  ])('does not start with %s', async (_, settings, message) => {
    await expect(startAgent(createMemoryStore(), { settings: await settings() })).rejects.toThrow(message);
  });

  it.each([
    ['within 30 days', days(-1, 10), 'the certificate expires within 30 days'],
    ['already', days(-10, -1), 'the certificate has expired'],
    ['later', days(1, 10), 'the certificate is not valid yet'],
  ])('says at its start when it expires %s', async (when, validity, told) => {
    const { certFile, keyFile } = await authority.issue(`expires ${when}`, { validity });
    await using agent = await startAgent(createMemoryStore(), {
      settings: { tlsCert: certFile, tlsKey: keyFile },
    });
    expect(agent.log.join('')).toContain(told);
  });
});

describe('a certificate that is renewed', () => {
  it('is shown to new connections while an upload goes on', async () => {
    await using agent = await startTls('renewed');
    const before = await shownBy(agent);
    const blob = randomBlob(400_000);
    const { digest, size } = blob.descriptor;
    const target = await agent.client.openImport({});
    let release = () => {};
    const renewed = new Promise<void>((resolve) => {
      release = resolve;
    });
    const putting = target.put({ digest, offset: 0, size }, async function* () {
      yield* chunksOf(blob.bytes.subarray(0, 200_000), 50_000);
      await renewed;
      yield* chunksOf(blob.bytes.subarray(200_000), 50_000);
    });

    const { cert } = await authority.issue('renewed');
    const after = new X509Certificate(cert).fingerprint256;
    await expect.poll(() => shownBy(agent)).toBe(after);
    release();

    expect(await putting).toMatchObject({ received: size });
    expect(after).not.toBe(before);
    expect((await agent.client.describe()).tls?.fingerprint).toBe(after);
    expect(agent.log.join('')).toContain(`"fingerprint":"${after}"`);
  });

  it('stays the old one while the files do not fit together, and is told once', async () => {
    await using agent = await startTls('half');
    const before = await shownBy(agent);
    const other = await authority.issue('half-other');

    await writeFile(join(authority.dir, 'half.crt'), other.cert);
    await expect.poll(() => agent.log.join('')).toContain('cannot be read again');
    await writeFile(join(authority.dir, 'half.crt'), other.cert.slice(0, 100));
    await expect.poll(() => agent.log.join('')).toContain('not a certificate in PEM');
    expect(await shownBy(agent)).toBe(before);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(agent.log.filter((line) => line.includes('cannot be read again'))).toHaveLength(2);

    await writeFile(join(authority.dir, 'half.key'), other.key);
    await writeFile(join(authority.dir, 'half.crt'), other.cert);
    await expect.poll(() => shownBy(agent)).not.toBe(before);
  });
});

describe('an agent that wants client certificates', () => {
  const mutual = () => ({ settings: { clientCa: authority.caFile } });

  it('takes one in place of the token, and the log names it', async () => {
    const { cert, key } = await authority.issue('the-command', { names: [], usages: ['client'] });
    await using agent = await startTls('mutual', { ...mutual(), trust: { cert, key } });

    expect(agent.ready.tokenFile).toBeUndefined();
    expect((await agent.client.describe()).features).toContain('mutual-tls');
    const target = await agent.client.openImport({});
    await target.leave();

    await expect.poll(() => agent.log.join('')).toContain('CN=the-command imgctl"');
  });

  it('wants the token too where it was given one', async () => {
    const { cert, key } = await authority.issue('command');
    const tokenFile = join(authority.dir, 'token');
    await writeFile(tokenFile, 'a-token-of-the-cluster');
    await using agent = await startTls('both', { settings: { clientCa: authority.caFile, tokenFile } });
    const ca = authority.pair.cert;

    expect(await asked(agent, { ca, cert, key })).toMatchObject({
      code: 'node_unauthorized',
      message: expect.stringContaining('token'),
    });
    expect(await asked(agent, { ca, cert, key, token: 'a-token-of-the-cluster' })).toMatchObject({
      name: 'node-1',
    });
  });

  it.each(['describe', 'healthz'] as const)('lets nobody in without one: %s', async (work) => {
    await using agent = await startTls(`none-${work}`, mutual());

    expect(await asked(agent, { ca: authority.pair.cert, token: 'x'.repeat(32) }, work)).toMatchObject({
      code: 'node_unauthorized',
      message: expect.stringContaining('wants a client certificate, and none was given'),
      hint: expect.stringContaining('--cert FILE --key FILE'),
    });
  });

  it.each<[string, () => Promise<{ cert: string; key: string }>]>([
    ["a stranger's", () => stranger.issue('command')],
    ['expired', () => authority.issue('old-command', { validity: days(-9, -1) })],
    ['for servers only', () => authority.issue('server-only', { usages: ['server'] })],
  ])('refuses one that is %s', async (_, make) => {
    const { cert, key } = await make();
    await using agent = await startTls('refusing', mutual());

    expect(await asked(agent, { ca: authority.pair.cert, cert, key })).toMatchObject({
      code: 'node_unauthorized',
      message: expect.stringContaining('does not trust the certificate that was shown'),
    });
    expect(agent.log.join('')).toContain('connection refused');
  });

  it('resumes no session of a client whose authority it no longer trusts', async () => {
    await using old = await makeTestAuthority('old CA');
    const { cert, key } = await old.issue('command');
    const clientCa = join(authority.dir, 'client-ca.crt');
    await writeFile(clientCa, old.pair.cert);
    await using agent = await startTls('replaced', { settings: { clientCa } });
    const dial = (session?: Buffer) =>
      new Promise<{ session: Buffer; answer: string }>((resolve) => {
        const socket = connect({
          ...{ port: Number(agent.url.port), host: '127.0.0.1', rejectUnauthorized: false, cert, key },
          ...(session && { session }),
        });
        let [answer, ticket] = ['', Buffer.alloc(0)];
        socket.on('session', (bytes) => {
          ticket = bytes;
        });
        socket.on('data', (chunk) => {
          answer += chunk;
        });
        socket.on('error', () => {}).on('close', () => resolve({ session: ticket, answer }));
        socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
      });
    const first = await dial();
    expect(first.answer).toMatch(/^HTTP\/1.1 200/);
    expect((await dial(first.session)).answer).toMatch(/^HTTP\/1.1 200/);

    await writeFile(clientCa, authority.pair.cert);

    await expect.poll(() => dial(first.session).then(({ answer }) => answer)).toBe('');
    expect((await dial()).answer).toBe('');
  });

  it('serves probes, and nothing else, on an address of their own', async () => {
    await using agent = await startTls('probed', {
      settings: { clientCa: authority.caFile, probeListen: '127.0.0.1:0' },
    });
    const probe = (path: string, init?: RequestInit) =>
      fetch(`http://${agent.ready.probeAddress}${path}`, init).then(({ status }) => status);

    expect(await probe('/healthz')).toBe(200);
    expect(await probe('/readyz')).toBe(200);
    expect(await probe('/metrics')).toBe(200);
    const metrics = await fetch(`http://${agent.ready.probeAddress}/metrics`).then((answer) => answer.text());
    expect(metrics).toMatch(/imgctl_certificate_not_after_seconds \d{10}\n/);
    for (const path of ['/v1/node', '/v1/images', '/', '/healthz/../v1/node', '/%68ealthz', '//v1/node'])
      expect(await probe(path)).toBe(404);
    expect(await probe('/v1/imports', { method: 'POST', body: '{}' })).toBe(404);
    expect(await probe('/healthz', { method: 'POST', body: '{}' })).toBe(404);
  });
});
