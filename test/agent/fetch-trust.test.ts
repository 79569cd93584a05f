import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMemoryStore } from '../../src/store/memory/memory-store.ts';
import { makeTestAuthority, type TestAuthority } from '../support/agent-certificates.ts';
import { randomBlob } from '../support/blobs.ts';
import { type Cluster, makeCluster, startPeer, stored } from './fetch-nodes.ts';
import { startAgent } from './test-agent.ts';

let authority: TestAuthority;
let stranger: TestAuthority;
let cluster: Cluster;
beforeAll(async () => {
  authority = await makeTestAuthority();
  stranger = await makeTestAuthority('a stranger');
  cluster = await makeCluster();
});
afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
  await stranger[Symbol.asyncDispose]();
  await authority[Symbol.asyncDispose]();
});

async function tls(name: string) {
  const { certFile, keyFile } = await authority.issue(name);
  return { settings: { tlsCert: certFile, tlsKey: keyFile }, trust: { ca: authority.pair.cert } };
}

/** Without a token: a certificate of the cluster's is enough. */
async function mutual(name: string) {
  const { settings, trust } = await tls(name);
  const { cert, key } = await authority.issue(`${name}-client`);
  return {
    settings: { ...settings, tokenFile: undefined, clientCa: authority.caFile },
    trust: { ...trust, cert, key },
  };
}

describe('an agent with a certificate that is told to fetch', () => {
  it('fetches over TLS, from several peers', async () => {
    const blob = randomBlob(12_000_000);
    const store = createMemoryStore();
    await using one = await cluster.node([blob], await tls('one'));
    await using two = await cluster.node([blob], await tls('two'));
    await using agent = await cluster.node([], { store, ...(await tls('asked')) });
    const target = await agent.client.openImport({});

    const { from } = await target.fetch(blob.descriptor, [one.url.origin, two.url.origin]);

    expect(from.every(({ bytes, error }) => bytes > 0 && error === undefined)).toBe(true);
    expect((await stored(store, blob)).equals(blob.bytes)).toBe(true);
  });

  it('shows its own certificate where that is what counts', async () => {
    const blob = randomBlob(10_000);
    const store = createMemoryStore();
    await using peer = await cluster.node([blob], await mutual('mutual-peer'));
    await using agent = await cluster.node([], { store, ...(await mutual('mutual-asked')) });
    const target = await agent.client.openImport({});

    await target.fetch(blob.descriptor, [peer.url.origin]);

    expect((await stored(store, blob)).equals(blob.bytes)).toBe(true);
  });

  it('shows nothing to a peer that the cluster did not sign, and fetches nothing of it', async () => {
    const blob = randomBlob(10_000);
    const requests: unknown[] = [];
    const { cert, key } = await stranger.issue('stranger');
    const other = createServer({ cert, key }, (request, response) => {
      requests.push(request.headers);
      response.end();
    }).listen(0, '127.0.0.1');
    await once(other, 'listening');
    await using agent = await cluster.node([], await tls('wary'));
    const target = await agent.client.openImport({});
    const url = `https://127.0.0.1:${(other.address() as AddressInfo).port}`;

    await expect(target.fetch(blob.descriptor, [url])).rejects.toMatchObject({ code: 'node_untrusted' });

    expect(requests).toEqual([]);
    other.close();
  });

  it('speaks no plain HTTP to anybody, this machine included', async () => {
    const blob = randomBlob(10_000);
    await using peer = await startPeer(10_000, (response) => void response.end());
    await using agent = await cluster.node([], await tls('strict'));
    const target = await agent.client.openImport({});

    await expect(target.fetch(blob.descriptor, [peer.url])).rejects.toMatchObject({
      code: 'request_invalid',
      message: expect.stringContaining('plain HTTP'),
    });
    expect(peer.asked).toEqual([]);
  });

  it('shows the certificate that stands in its files now', async () => {
    const [first, second] = [randomBlob(1000), randomBlob(1000)];
    await using peer = await cluster.node([first, second], await mutual('renewing-peer'));
    const files = await mutual('renewing');
    await using agent = await cluster.node([], files);
    const target = await agent.client.openImport({});
    await target.fetch(first.descriptor, [peer.url.origin]);

    // One that its peers refuse: nobody keeps using the old one
    const { cert, key } = await stranger.issue('not-ours');
    await writeFile(files.settings.tlsKey, key);
    await writeFile(files.settings.tlsCert, cert);
    await expect.poll(() => agent.log.join('')).toContain('certificate read again');

    await expect(target.fetch(second.descriptor, [peer.url.origin])).rejects.toMatchObject({
      code: 'node_untrusted',
    });
  });
});

describe('the token that peers are shown', () => {
  it('is the one that stands in the file now', async () => {
    await using rotating = await makeCluster();
    const blobs = [randomBlob(1000), randomBlob(1000)] as const;
    const asked: (string | undefined)[] = [];
    await using peer = await startPeer(1000, (response, { authorization }) => {
      asked.push(authorization);
      response.writeHead(200, { 'content-length': 1000 }).end(blobs[asked.length - 1]?.bytes);
    });
    await using agent = await startAgent(createMemoryStore(), {
      settings: { tokenFile: rotating.tokenFile },
    });
    const target = await agent.client.openImport({});
    await target.fetch(blobs[0].descriptor, [peer.url]);

    const next = 'a-new-token-of-the-cluster';
    await writeFile(
      `${rotating.tokenFile}.previous`,
      `${rotating.token}\n${new Date(Date.now() + 60_000).toISOString()}\n`,
    );
    await writeFile(rotating.tokenFile, `${next}\n`);
    await expect.poll(() => agent.log.join('')).toContain('token read again');
    await target.fetch(blobs[1].descriptor, [peer.url]);

    expect(asked).toEqual([`Bearer ${rotating.token}`, `Bearer ${next}`]);
    expect(agent.log.join('')).not.toContain(next);
  });
});
