import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createMemoryStore } from '../../src/store/memory/memory-store.ts';
import { makeTestAuthority, type TestAuthority } from '../support/agent-certificates.ts';
import { ask } from './http.ts';
import { startAgent } from './test-agent.ts';

let authority: TestAuthority;
beforeAll(async () => {
  authority = await makeTestAuthority();
});
afterAll(() => authority[Symbol.asyncDispose]());

const open: Pick<Server, 'close'>[] = [];
afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

async function tls(name: string) {
  const { certFile, keyFile } = await authority.issue(name);
  return { settings: { tlsCert: certFile, tlsKey: keyFile }, trust: { ca: authority.pair.cert } };
}

describe('an agent that is asked for its peers', () => {
  it('tells which it reaches and trusts, in order, and shows them no token', async () => {
    await using peer = await startAgent(createMemoryStore(), await tls('peer'));
    await using agent = await startAgent(createMemoryStore(), await tls('asked'));
    await using stranger = await makeTestAuthority('a stranger');
    const requests: (string | undefined)[][] = [];
    const { cert, key } = await stranger.issue('stranger');
    const other = createTlsServer({ cert, key }, ({ url }, response) => {
      requests.push([url]);
      response.end('{"status":"ok"}');
    }).listen(0, '127.0.0.1');
    await once(other, 'listening');
    open.push(other);
    const plain = createServer(({ url, headers }, response) => {
      requests.push([url, headers.authorization]);
      response.end('{"status":"ok"}');
    }).listen(0, '127.0.0.1');
    await once(plain, 'listening');
    open.push(plain);
    const urls = [
      peer.url.origin,
      'https://127.0.0.1:1',
      `https://127.0.0.1:${(other.address() as AddressInfo).port}`,
      `http://127.0.0.1:${(plain.address() as AddressInfo).port}`,
    ];

    const checks = await agent.client.checkPeers(urls);

    expect(checks).toMatchObject([
      { url: urls[0], ok: true, rttMs: expect.any(Number) },
      { url: urls[1], ok: false, error: { code: 'node_unreachable' } },
      { url: urls[2], ok: false, error: { code: 'node_untrusted' } },
      { url: urls[3], ok: true },
    ]);
    expect(requests).toEqual([['/healthz', undefined]]);
  });

  it('shows its own certificate to peers that want one', async () => {
    const mutual = async (name: string) => {
      const { settings, trust } = await tls(name);
      const { cert, key } = await authority.issue(`${name}-client`);
      return { settings: { ...settings, clientCa: authority.caFile }, trust: { ...trust, cert, key } };
    };
    await using peer = await startAgent(createMemoryStore(), await mutual('m1'));
    await using agent = await startAgent(createMemoryStore(), await mutual('m2'));

    expect(await agent.client.checkPeers([peer.url.origin])).toMatchObject([{ ok: true }]);
  });

  it.each([
    'ftp://127.0.0.1:1',
    'https://127.0.0.1:1/v1/node',
    'https://127.0.0.1:1/?x',
    'https://user@127.0.0.1:1',
    'https://127.0.0.1',
    'http://10.0.0.1:25000',
    'http://2130706433:80',
    'file:///etc/passwd',
    'nonsense',
  ])('asks nobody where one is not https://host:port: %s', async (url) => {
    await using agent = await startAgent(createMemoryStore(), await tls('refusing'));

    await expect(agent.client.checkPeers([url])).rejects.toMatchObject({ code: 'request_invalid' });
  });

  it('may ask plain HTTP of others where it speaks it itself', async () => {
    await using agent = await startAgent(createMemoryStore());
    expect(await agent.client.checkPeers(['http://no-such-host.invalid:25000'])).toMatchObject([
      { ok: false, error: { code: 'node_unreachable' } },
    ]);
  });

  it('wants the token for it', async () => {
    await using agent = await startAgent(createMemoryStore());
    const answer = await ask(agent, '/v1/peers/check', { method: 'POST', headers: {}, body: '{"urls":[]}' });
    expect(answer.status).toBe(401);
  });
});
