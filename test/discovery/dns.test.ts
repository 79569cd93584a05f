import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dnsDiscovery } from '../../src/discovery/dns.ts';
import { candidateNames, type DnsSearch, systemSearch } from '../../src/discovery/dns-search.ts';
import { ImgctlError } from '../../src/errors.ts';
import { type DnsServer, startDnsServer } from '../support/dns-server.ts';

let dns: DnsServer;

beforeEach(async () => {
  dns = await startDnsServer();
});

afterEach(async () => {
  await dns[Symbol.asyncDispose]();
});

const plain: DnsSearch = { domains: [], ndots: 1 };
const discovery = (name: string, timeoutMs = 1000, search = plain) =>
  dnsDiscovery(name, { defaultPort: 25000 }, { servers: [dns.address], timeoutMs, search });

async function find(name: string) {
  const { nodes } = await discovery(name).find();
  return nodes.map(({ name: called, address, url }) => [called, address, url.href]);
}

describe('nodes of DNS', () => {
  it('are the targets and ports of its SRV records', async () => {
    dns.zone['agents.example'] = [
      { type: 'SRV', target: 'W1.example.', port: 25000 },
      { type: 'SRV', target: 'w2.example', port: 7000 },
    ];
    expect(await find('agents.example')).toEqual([
      ['w1.example', 'w1.example:25000', 'https://w1.example:25000/'],
      ['w2.example', 'w2.example:7000', 'https://w2.example:7000/'],
    ]);
    expect(dns.questions).toEqual(['SRV _imgctl._tcp.agents.example', 'SRV agents.example']);
  });

  it('are first those of the service under a name: its other ports are for others', async () => {
    dns.zone['_imgctl._tcp.example'] = [{ type: 'SRV', target: 'w1.example', port: 25000 }];
    dns.zone.example = [
      { type: 'SRV', target: 'w1.example', port: 25000 },
      { type: 'SRV', target: 'w1.example', port: 9100 },
    ];
    expect(await find('example')).toHaveLength(1);
    expect(await find('_imgctl._tcp.example')).toHaveLength(1);
  });

  it('have the port of agents where a record has none', async () => {
    dns.zone['agents.example'] = [{ type: 'SRV', target: 'w1.example', port: 0 }];
    expect((await find('agents.example')).map(([, address]) => address)).toEqual(['w1.example:25000']);
  });

  it('are found by a short name, as this machine completes it', async () => {
    dns.zone['agents.imgctl.svc.cluster.local'] = [{ type: 'A', address: '10.0.4.17' }];
    const search = { domains: ['default.svc.cluster.local', 'svc.cluster.local'], ndots: 5 };
    const { nodes, note } = await discovery('agents.imgctl', 1000, search).find();
    expect(nodes.map(({ name }) => name)).toEqual(['10.0.4.17']);
    expect(note).toContain('agents.imgctl.svc.cluster.local');
  });

  it('have their ports in their names where several share a host', async () => {
    dns.zone['agents.example'] = [
      { type: 'SRV', target: 'w1.example', port: 1 },
      { type: 'SRV', target: 'w1.example', port: 2 },
      { type: 'SRV', target: 'w1.example', port: 2 },
    ];
    expect((await find('agents.example')).map(([name]) => name)).toEqual(['w1.example:1', 'w1.example:2']);
  });

  it('are otherwise the addresses of a headless service, of both families', async () => {
    dns.zone['agents.ns.svc.cluster.local'] = [
      { type: 'A', address: '10.0.4.17' },
      { type: 'A', address: '10.0.4.18' },
      { type: 'AAAA', address: 'fd00::17' },
    ];
    expect(await find('agents.ns.svc.cluster.local.')).toEqual([
      ['10.0.4.17', '10.0.4.17:25000', 'https://10.0.4.17:25000/'],
      ['10.0.4.18', '10.0.4.18:25000', 'https://10.0.4.18:25000/'],
      ['[fd00::17]', '[fd00::17]:25000', 'https://[fd00::17]:25000/'],
    ]);
  });

  it('are found in answers that do not fit into a datagram', async () => {
    dns.zone['agents.example'] = Array.from({ length: 800 }, (_, i) => ({
      type: 'SRV' as const,
      target: `w${i}.example`,
      port: 25000,
    }));
    expect(await find('agents.example')).toHaveLength(800);
  });

  it('are counted in a note', async () => {
    dns.zone['agents.example'] = [{ type: 'A', address: '10.0.4.17' }];
    expect((await discovery('agents.example').find()).note).toBe('1 node of DNS (agents.example).');
  });
});

describe('a name', () => {
  it.each([
    ['does not exist', {}, /no SRV, A or AAAA records/],
    ['has no records', { 'agents.example': [] }, /no SRV, A or AAAA records/],
    [
      'says that there is no such service',
      { 'agents.example': [{ type: 'SRV' as const, target: '.', port: 0 }] },
      /there are none/,
    ],
    [
      'has a target that is no host',
      { 'agents.example': [{ type: 'SRV' as const, target: '10.4', port: 1 }] },
      /"10\.4" port 1, which is not a host/,
    ],
  ])('that %s is told', async (_, zone, why) => {
    dns.zone = zone;
    const error = await find('agents.example').catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'discovery_failed', message: expect.stringMatching(why) });
    expect((error as ImgctlError).message).toContain('agents.example');
    expect((error as ImgctlError).hint).toBeTruthy();
  });

  it('of a service alone is not looked up as a host', async () => {
    await expect(find('_imgctl._tcp.example')).rejects.toThrow('no SRV records');
    expect(dns.questions).toEqual(['SRV _imgctl._tcp.example']);
  });

  it.each(['', 'a..b', 'a b', 'agents.example:25000', `${'a'.repeat(64)}.example`, '\u001b[31m'])(
    'that is none is refused: %j',
    async (name) => {
      await expect(find(name)).rejects.toMatchObject({ code: 'usage' });
      expect(dns.questions).toEqual([]);
    },
  );
});

describe('a name server', () => {
  it('that fails is asked again', async () => {
    dns.zone['agents.example'] = [{ type: 'SRV', target: 'w1.example', port: 1 }];
    dns.faults.push('SERVFAIL');
    expect(await find('agents.example')).toHaveLength(1);
  });

  it('that does not answer a question is asked again', async () => {
    dns.zone['agents.example'] = [{ type: 'SRV', target: 'w1.example', port: 1 }];
    dns.faults.push('silence');
    expect(await find('agents.example')).toHaveLength(1);
  });

  it.each([
    ['SERVFAIL' as const, /SERVFAIL/],
    ['REFUSED' as const, /refuses/],
    ['silence' as const, /no server answers/],
  ])('that goes on to fail is told: %s', async (fault, why) => {
    dns.faults.push(...Array.from({ length: 50 }, () => fault));
    const error = await discovery('agents.example', 150)
      .find()
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'discovery_failed', message: expect.stringMatching(why) });
    expect((error as ImgctlError).hint).toContain(dns.address);
  });

  it('is not waited for once it is interrupted', async () => {
    dns.faults.push('silence', 'silence', 'silence');
    const reason = new ImgctlError('interrupted', 'interrupted');
    const abort = new AbortController();
    setTimeout(() => abort.abort(reason), 100);
    const start = performance.now();
    await expect(discovery('agents.example', 5000).find(abort.signal)).rejects.toBe(reason);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

describe('names are completed', () => {
  const search = { domains: ['ns.svc', 'svc'], ndots: 2 };

  it.each([
    ['a', ['a.ns.svc', 'a.svc', 'a']],
    ['a.b.c', ['a.b.c', 'a.b.c.ns.svc', 'a.b.c.svc']],
    ['a.', ['a']],
  ])('%s as the resolver does', (name, expected) => {
    expect(candidateNames(name, search)).toEqual(expected);
  });

  it('by the last search line of resolv.conf, and its ndots', async () => {
    await using file = await temporaryFile(
      'search old\nnameserver 10.96.0.10\nsearch a.svc b.svc\noptions x ndots:5\n',
    );
    expect(await systemSearch(file.path)).toEqual({ domains: ['a.svc', 'b.svc'], ndots: 5 });
    expect(await systemSearch('/gone')).toEqual({ domains: [], ndots: 1 });
  });
});

async function temporaryFile(text: string) {
  const dir = await mkdtemp(join(tmpdir(), 'imgctl-dns-'));
  const path = join(dir, 'file');
  await writeFile(path, text);
  return { path, [Symbol.asyncDispose]: () => rm(dir, { recursive: true }) };
}
