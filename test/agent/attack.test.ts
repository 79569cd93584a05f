import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { GuessLimit } from '../../src/agent/http/guess-limit.ts';
import { networkOf } from '../../src/agent/network-of.ts';
import { createMemoryStore } from '../../src/store/memory/memory-store.ts';
import { openOciLayoutStore } from '../../src/store/oci-layout/oci-layout-store.ts';
import { randomBlob } from '../support/blobs.ts';
import { smallArchive } from './archives.ts';
import { ask } from './http.ts';
import { startAgent, type TestAgent } from './test-agent.ts';

const amd64 = { os: 'linux', architecture: 'amd64' };

function open(agent: TestAgent): Socket {
  return connect(Number(agent.url.port), '127.0.0.1').on('error', () => {});
}

/** What comes back until the connection closes. */
async function heard(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  await new Promise((resolve) => socket.once('close', resolve));
  return text;
}

function wrong(agent: TestAgent, i: number) {
  return ask(agent, '/v1/node', { headers: { authorization: `Bearer guess-number-${i}` } });
}

describe('somebody who sends a trickle', () => {
  it('is given up, what came is kept, and the blob is free for another', async () => {
    const store = createMemoryStore();
    await using agent = await startAgent(store, { limits: { paceMs: 400 } });
    const { id } = await agent.client.openImport({});
    const blob = randomBlob(100_000);
    const socket = open(agent);
    socket.write(
      `PUT /v1/imports/${id}/blobs/${blob.descriptor.digest} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${agent.token}\r\nContent-Length: 100000\r\n\r\n`,
    );
    let sent = 0;
    const drip = setInterval(() => {
      socket.write(blob.bytes.subarray(sent, sent + 1));
      sent += 1;
    }, 20);

    const answer = await new Promise((resolve) => socket.once('data', (chunk) => resolve(String(chunk))));
    clearInterval(drip);
    socket.destroy();

    expect(answer).toMatch(/\d+ bytes of the request came in \d+ s/);
    const target = await agent.client.openImport({});
    await target.put(
      { digest: blob.descriptor.digest, offset: 0, size: blob.bytes.byteLength },
      async function* () {
        yield blob.bytes;
      },
    );
    expect(store.contents().blobs).toContain(blob.descriptor.digest);
  });

  it('but not somebody who waits for a store that is slow', async () => {
    await using agent = await startAgent(createMemoryStore(), { limits: { paceMs: 100 } });
    const target = await agent.client.openImport({});
    const blob = randomBlob(300_000);

    const result = await target.put(
      { digest: blob.descriptor.digest, offset: 0, size: blob.bytes.byteLength },
      async function* () {
        for (let at = 0; at < blob.bytes.byteLength; at += 30_000) {
          yield blob.bytes.slice(at, at + 30_000);
          await delay(30);
        }
      },
    );

    expect(result).toMatchObject({ received: 300_000 });
  });
});

describe('somebody who does not hang up', () => {
  it.each([
    ['too slow', 'GET /healthz HTTP/1.1\r\n', '408'],
    ['too large', `GET /healthz HTTP/1.1\r\nX-Large: ${'x'.repeat(20_000)}\r\n\r\n`, '431'],
    ['no HTTP', 'nonsense\r\n\r\n', '400'],
  ])('after a request that was %s is hung up on', async (_, request, status) => {
    await using agent = await startAgent(createMemoryStore(), { limits: { headersMs: 300 } });
    const stubborn = connect({ port: Number(agent.url.port), host: '127.0.0.1', allowHalfOpen: true });
    stubborn.write(request);
    const answer = await new Promise((resolve) => stubborn.once('data', (data) => resolve(`${data}`)));
    expect(answer).toContain(`HTTP/1.1 ${status}`);

    const closed = new Promise((resolve) => stubborn.on('error', resolve));
    const writing = setInterval(() => stubborn.write('x'), 50);
    expect(await closed).toMatchObject({ code: expect.stringMatching(/ECONNRESET|EPIPE/) });
    clearInterval(writing);
  });
});

describe('somebody who guesses tokens', () => {
  it('is not heard for a while, whatever is guessed, and told when to come again', async () => {
    await using agent = await startAgent(createMemoryStore());
    for (let i = 0; i < 60; i++) expect((await wrong(agent, i)).status).toBe(401);

    const refused = await ask(agent, '/v1/node');

    expect(refused).toMatchObject({ status: 429, code: 'overloaded' });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(60);
    const microk8s = { 'x-microk8s-callback-token': agent.token };
    const path = '/cluster/api/v2.0/image/import';
    expect((await ask(agent, path, { method: 'POST', headers: microk8s, body: 'x' })).status).toBe(429);
    expect((await ask(agent, '/healthz', { headers: {} })).status).toBe(200);
  });

  it('does not shut out a transfer from the same address that has shown the right one', async () => {
    await using agent = await startAgent(createMemoryStore());
    const transfer = open(agent);
    const next = () => new Promise<string>((resolve) => transfer.once('data', (data) => resolve(`${data}`)));
    const asking = (token: string) => {
      transfer.write(`GET /v1/node HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`);
      return next();
    };
    expect(await asking(agent.token)).toMatch(/^HTTP\/1.1 200/);
    for (let i = 0; i < 60; i++) await wrong(agent, i);
    expect((await ask(agent, '/v1/node')).status).toBe(429);

    expect(await asking(agent.token)).toMatch(/^HTTP\/1.1 200/);
    // As through a proxy that puts the requests of several clients onto one connection
    expect(await asking('a-guess-on-that-connection')).toMatch(/^HTTP\/1.1 401/);
    expect(await asking(agent.token)).toMatch(/^HTTP\/1.1 429/);
    transfer.destroy();
  });

  it('does not fill the log: some lines a minute, then how many there were', async () => {
    await using agent = await startAgent(createMemoryStore());
    const lines = () => agent.log.filter((line) => line.includes('"request refused"'));
    for (let i = 0; i < 50; i++) await ask(agent, '/v1/node', { headers: {} });
    for (let i = 0; i < 50; i++) await wrong(agent, i);

    expect(lines()).toHaveLength(30);
    // Whoever has the token is told of, whatever strangers do
    await ask(agent, '/v1/blobs/nonsense');
    expect(lines().at(-1)).toContain('digest_invalid');
  });

  it('is heard again later; requests without a token are no guesses', () => {
    let now = 0;
    const limit = new GuessLimit(() => now);
    for (let i = 0; i < 60; i++) limit.wrong('10.0.0.1');

    expect(() => limit.mayTry('10.0.0.1')).toThrow('too many wrong tokens');
    expect(() => limit.mayTry('::ffff:10.0.0.1')).toThrow();
    limit.mayTry('10.0.0.2');
    now = 60_001;
    limit.mayTry('10.0.0.1');
  });

  it.each([
    ['10.0.0.1', '10.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['fd00:1:2:3:4:5:6:7', 'fd00:1:2:3::/64'],
    ['fd00::7', 'fd00:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    [undefined, ''],
  ])('%s counts as %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});

describe('too much at once', () => {
  it('of archives is refused with 429 and Retry-After, at both endpoints, until one has ended', async () => {
    await using agent = await startAgent(createMemoryStore({ platforms: [amd64] }), {
      limits: { maxImports: 1 },
    });
    const first = open(agent);
    first.write(
      `POST /v1/images/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${agent.token}\r\nContent-Length: 100000\r\n\r\nabc`,
    );
    const post = (path: string, headers: Record<string, string>) =>
      ask(agent, path, { method: 'POST', headers, body: smallArchive() });
    const bearer = { authorization: `Bearer ${agent.token}` };
    await expect.poll(async () => (await ask(agent, '/metrics')).text).toMatch(/imgctl_imports_active 1/);

    expect(await post('/v1/images/import', bearer)).toMatchObject({
      status: 429,
      code: 'overloaded',
      headers: { 'retry-after': '5' },
    });
    const microk8s = { 'x-microk8s-callback-token': agent.token };
    expect(await post('/cluster/api/v2.0/image/import', microk8s)).toMatchObject({
      status: 429,
      headers: { 'retry-after': '5' },
    });
    await expect(agent.client.openImport({})).rejects.toMatchObject({
      code: 'overloaded',
      context: { retryAfterMs: 5_000 },
    });

    first.destroy();
    await expect.poll(async () => (await post('/v1/images/import', bearer)).status).toBe(200);
  });

  it('of connections from one address is closed, and others are served again when some have gone', async () => {
    await using agent = await startAgent(createMemoryStore());
    const sockets = Array.from({ length: 256 }, () => open(agent));
    await delay(200);

    expect(await heard(open(agent).resume())).toBe('');
    expect(sockets.every(({ closed }) => !closed)).toBe(true);

    for (const socket of sockets) socket.destroy();
    await expect
      .poll(() =>
        ask(agent, '/healthz').then(
          ({ status }) => status,
          () => 0,
        ),
      )
      .toBe(200);
  });

  it('of headers is answered 431', async () => {
    await using agent = await startAgent(createMemoryStore());
    const socket = open(agent);
    socket.write(`GET /healthz HTTP/1.1\r\nHost: x\r\nX-Large: ${'x'.repeat(20_000)}\r\n\r\n`);

    expect(await heard(socket)).toMatch(/^HTTP\/1.1 431 [\s\S]*request_invalid/);
  });
});

describe('names that would leave the store', () => {
  const evil = [
    'sha256:../../../../etc/passwd',
    `sha256:${'0'.repeat(60)}/../`,
    '../../outside',
    'sha256:%2e%2e%2f',
    `sha256:${'0'.repeat(63)}\u0000`,
    `../sha256:${'0'.repeat(64)}`,
  ];

  it.each(evil)('are refused wherever a digest is due: %j', async (digest) => {
    const directory = await mkdtemp(join(tmpdir(), 'imgctl-paths-'));
    try {
      const store = await openOciLayoutStore({ directory: join(directory, 'store'), namespace: 'k8s.io' });
      await using agent = await startAgent(store);
      const { id } = await agent.client.openImport({});
      const part = encodeURIComponent(digest);
      const target = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: 4 };
      const post = (path: string, body: unknown) =>
        ask(agent, path, { method: 'POST', body: JSON.stringify(body) });

      const statuses = [
        await ask(agent, `/v1/imports/${id}/blobs/${part}`, { method: 'PUT', body: 'evil' }),
        await ask(agent, `/v1/blobs/${part}`),
        await post('/v1/blobs/have', { digests: [digest] }),
        await post('/v1/imports', { images: [{ name: 'app:1', target }] }),
        await post('/v1/imports', { documents: [{ descriptor: target, data: 'ZXZpbA==' }] }),
      ].map(({ status }) => status);

      expect(statuses.every((status) => status === 400)).toBe(true);
      expect(await readdir(directory)).toEqual(['store']);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it.each(['../../outside', '/etc/passwd', 'app:../x', 'a/../b:1', 'app:1\n'])(
    'are refused as the name of an image: %j',
    async (name) => {
      await using agent = await startAgent(createMemoryStore());
      const query = new URLSearchParams({ tag: name });
      const answer = await ask(agent, `/v1/images/import?${query}`, {
        method: 'POST',
        body: smallArchive(),
      });
      expect(answer).toMatchObject({ status: 400, code: 'reference_invalid' });
      expect((await ask(agent, `/v1/imports/${encodeURIComponent(name)}`)).status).toBe(404);
    },
  );
});
