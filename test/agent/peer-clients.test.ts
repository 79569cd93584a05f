import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { PeerClients, type PeerTrust } from '../../src/agent/peers/peer-clients.ts';
import { createMemoryStore } from '../../src/store/memory/memory-store.ts';
import { startAgent } from './test-agent.ts';

const plain: PeerTrust = { plainHttp: true };

describe('clients to peers', () => {
  it('are one for each agent, as long as they are used and a little longer', async () => {
    await using clients = new PeerClients({ trust: () => plain, idleMs: 50 });
    const one = clients.borrow('http://127.0.0.1:1');
    const same = clients.borrow('http://127.0.0.1:1/');
    const other = clients.borrow('http://127.0.0.1:2');
    expect(same.client).toBe(one.client);
    expect(other.client).not.toBe(one.client);
    for (const borrowed of [one, same, other]) borrowed[Symbol.dispose]();

    using again = clients.borrow('http://127.0.0.1:1');
    expect(again.client).toBe(one.client);
    await delay(100);
    using kept = clients.borrow('http://127.0.0.1:1');
    expect(kept.client).toBe(one.client);
    using anew = clients.borrow('http://127.0.0.1:2');
    expect(anew.client).not.toBe(other.client);
  });

  it('are new ones when there is another token, and the old one goes on to its end', async () => {
    await using peer = await startAgent(createMemoryStore());
    let trust: PeerTrust = { ...plain, token: peer.token };
    await using clients = new PeerClients({ trust: () => trust });
    const old = clients.borrow(peer.url.origin);
    trust = { ...plain, token: 'another-token-of-the-cluster' };

    using now = clients.borrow(peer.url.origin);

    await expect(now.client.describe()).rejects.toMatchObject({ code: 'node_unauthorized' });
    expect(await old.client.describe()).toMatchObject({ name: 'node-1' });
    old[Symbol.dispose]();
    await expect(old.client.describe()).rejects.toMatchObject({ code: 'node_unreachable' });
  });

  it('are not kept without bound', async () => {
    await using clients = new PeerClients({ trust: () => plain });
    const urlOf = (i: number) => `http://127.0.0.1:${i + 1}`;
    const all = Array.from({ length: 100 }, (_, i) => clients.borrow(urlOf(i)));
    for (const borrowed of all) borrowed[Symbol.dispose]();

    using first = clients.borrow(urlOf(0));
    using last = clients.borrow(urlOf(99));
    expect(first.client).not.toBe(all[0]?.client);
    expect(last.client).toBe(all[99]?.client);
  });
});
