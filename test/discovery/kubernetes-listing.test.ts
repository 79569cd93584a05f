import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findKubeconfig } from '../../src/discovery/kubernetes/find-kubeconfig.ts';
import {
  type KubernetesOptions,
  kubernetesDiscovery,
} from '../../src/discovery/kubernetes/kubernetes-discovery.ts';
import { ImgctlError } from '../../src/errors.ts';
import { makeTestAuthority } from '../support/agent-certificates.ts';
import { type KubeApi, kubeconfigOf, kubeNode, kubeUser, startKubeApi, status } from '../support/kube-api.ts';

const listNodesProcess = fileURLToPath(new URL('list-nodes-process.ts', import.meta.url));
const quick = { attemptMs: 1000, pageMs: 3000, firstDelayMs: 5 };
let api: KubeApi;
let dir: string;

beforeEach(async () => {
  api = await startKubeApi();
  dir = await mkdtemp(join(tmpdir(), 'imgctl-kube-'));
  api.nodes = [
    kubeNode('cp', {
      addresses: [
        ['Hostname', 'cp'],
        ['InternalIP', '10.0.4.10'],
      ],
    }),
    kubeNode('w1', { addresses: [['InternalIP', '10.0.4.11']] }),
  ];
});

afterEach(async () => {
  await api[Symbol.asyncDispose]();
  await rm(dir, { recursive: true });
});

/** A kubeconfig whose user shows a client certificate of the cluster's authority. */
async function kubeconfig(cluster: object = {}, user?: object): Promise<string> {
  const file = join(dir, 'config');
  await writeFile(file, kubeconfigOf(api, user ?? (await kubeUser(api)), cluster));
  return file;
}

async function find(file: string, options: Partial<KubernetesOptions> = {}, signal?: AbortSignal) {
  const search = await findKubeconfig({ env: {}, explicit: file });
  const env = { PATH: process.env.PATH };
  return kubernetesDiscovery(search, {
    addressing: { defaultPort: 25000 },
    env,
    patience: quick,
    ...options,
  }).find(signal);
}

async function failure(work: Promise<unknown>): Promise<ImgctlError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ImgctlError);
  return error as ImgctlError;
}

describe('the nodes of Kubernetes', () => {
  it('are listed with a client certificate, and spoken to over https at their internal addresses', async () => {
    const { nodes, note } = await find(await kubeconfig());
    expect(nodes.map(({ name, address, url }) => [name, address, url.href])).toEqual([
      ['cp', '10.0.4.10:25000', 'https://10.0.4.10:25000/'],
      ['w1', '10.0.4.11:25000', 'https://10.0.4.11:25000/'],
    ]);
    expect(note).toBe(`2 nodes of Kubernetes (context prod, server ${api.url}).`);
  });

  it('count as well where they are not Ready or are cordoned, and say so', async () => {
    api.nodes = [
      kubeNode('a', { ready: false }),
      kubeNode('b', { unschedulable: true }),
      kubeNode('c', {
        nodeInfo: {
          architecture: 'amd64',
          operatingSystem: 'windows',
          containerRuntimeVersion: 'containerd://1.6.8',
        },
      }),
    ];
    const { nodes } = await find(await kubeconfig());
    const ordinary = {
      ready: true,
      cordoned: false,
      platform: 'linux/amd64',
      runtime: 'containerd://1.7.24',
    };
    expect(nodes.map(({ cluster }) => cluster)).toEqual([
      { ...ordinary, ready: false },
      { ...ordinary, cordoned: true },
      { ...ordinary, platform: 'windows/amd64', runtime: 'containerd://1.6.8' },
    ]);
  });

  it.each<[what: string, addresses: [string, string][], expected: string]>([
    [
      'internal before external',
      [
        ['ExternalIP', '203.0.113.9'],
        ['InternalIP', '10.1.1.1'],
      ],
      '10.1.1.1:25000',
    ],
    [
      'external before its host name',
      [
        ['Hostname', 'h'],
        ['ExternalIP', '203.0.113.9'],
      ],
      '203.0.113.9:25000',
    ],
    ['its host name', [['Hostname', 'h.example']], 'h.example:25000'],
    ['IPv6 in brackets', [['InternalIP', 'FD00:0::17']], '[fd00::17]:25000'],
    [
      'of two families the first',
      [
        ['InternalIP', 'fd00::17'],
        ['InternalIP', '10.1.1.1'],
      ],
      '[fd00::17]:25000',
    ],
    ['its name without any address', [], 'n:25000'],
    [
      'the next where one is none',
      [
        ['InternalIP', '10.1'],
        ['InternalIP', 'a=http://evil:1'],
        ['ExternalIP', '10.1.1.2'],
      ],
      '10.1.1.2:25000',
    ],
    [
      'its name where none is one',
      [
        ['InternalIP', '\u001b[31m'],
        ['InternalIP', 'fe80::1%eth0'],
      ],
      'n:25000',
    ],
    [
      'the next where one is too long to be one, without hiding the other nodes',
      [
        ['InternalIP', '1'.repeat(2000)],
        ['ExternalIP', '10.1.1.3'],
      ],
      '10.1.1.3:25000',
    ],
  ])('are spoken to at %s', async (_, addresses, expected) => {
    api.nodes = [kubeNode('n', { addresses })];
    const { nodes } = await find(await kubeconfig());
    expect(nodes.map(({ name, address }) => [name, address])).toEqual([['n', expected]]);
  });

  it('have an address that nodes which are not Ready claim as well: a host keeps it under a new name', async () => {
    const addresses = [['InternalIP', '10.1.1.1']] as const;
    api.nodes = [kubeNode('before', { addresses, ready: false }), kubeNode('now', { addresses })];
    const { nodes } = await find(await kubeconfig());
    expect(nodes.map(({ name, address }) => [name, address])).toEqual([
      ['before', 'before:25000'],
      ['now', '10.1.1.1:25000'],
    ]);
  });

  it('go by their names where they all claim one address, as virtual machines behind one translation do', async () => {
    api.nodes = ['a', 'b'].map((name) => kubeNode(name, { addresses: [['InternalIP', '10.0.2.15']] }));
    const { nodes } = await find(await kubeconfig());
    expect(nodes.map(({ address }) => address)).toEqual(['a:25000', 'b:25000']);
  });

  it('are listed in pages, each asked for once', async () => {
    api.nodes = Array.from({ length: 1201 }, (_, i) => kubeNode(`n${i}`));
    const { nodes } = await find(await kubeconfig());
    expect(nodes).toHaveLength(1201);
    expect(api.requests.map(({ searchParams }) => searchParams.get('limit'))).toEqual(['500', '500', '500']);
    expect(api.requests.map(({ searchParams }) => searchParams.has('continue'))).toEqual([false, true, true]);
  });

  it('are five thousand in seconds, and in the memory of a few pages', async () => {
    api.nodes = Array.from({ length: 5000 }, (_, i) => kubeNode(`n${i}`, { padding: 16 * 1024 }));
    const file = await kubeconfig();
    const { stdout } = await promisify(execFile)(process.execPath, [listNodesProcess, file]);
    const { nodes, ms, grownMiB } = JSON.parse(stdout);
    expect(nodes).toBe(5000);
    expect(ms).toBeLessThan(15_000);
    // All pages at once are 85 MiB of text, and several times that once parsed
    expect(grownMiB).toBeLessThan(200);
  });

  it('go on to be listed where a continue token expires', async () => {
    api.nodes = Array.from({ length: 1201 }, (_, i) => kubeNode(`n${i}`));
    const file = await kubeconfig();
    api.faults.push(passOn, (_, response) => {
      api.expireTokens();
      status(response, 503, 'ServiceUnavailable', 'etcd is compacting');
    });
    expect((await find(file)).nodes).toHaveLength(1201);
  });

  it('are listed again from the start where the expired token comes without another', async () => {
    api.nodes = Array.from({ length: 501 }, (_, i) => kubeNode(`n${i}`));
    api.faults.push(passOn, (_, response) => status(response, 410, 'Expired', 'too old'));
    expect((await find(await kubeconfig())).nodes).toHaveLength(501);
    expect(api.requests.map(({ searchParams }) => searchParams.has('continue'))).toEqual([
      false,
      true,
      false,
      true,
    ]);
  });

  it('are those that the selector matches', async () => {
    api.nodes = [kubeNode('a', { labels: { zone: 'x' } }), kubeNode('b', { labels: { zone: 'y' } })];
    const { nodes } = await find(await kubeconfig(), { selector: 'zone=y' });
    expect(nodes.map(({ name }) => name)).toEqual(['b']);
  });

  it('refuse a selector that is none, as a mistake of who wrote it', async () => {
    const error = await failure(find(await kubeconfig(), { selector: 'a=b=c' }));
    expect(error).toMatchObject({ code: 'usage' });
    expect(error.message).toContain('"a=b=c"');
  });

  it('say so where a selector matches none', async () => {
    const error = await failure(find(await kubeconfig(), { selector: 'zone=nowhere' }));
    expect(error).toMatchObject({ code: 'discovery_failed' });
    expect(error.message).toContain('zone=nowhere');
  });

  /** Answers as if it were not there: what comes in its place in the queue is answered in the ordinary way. */
  function passOn(...[request, response]: Parameters<KubeApi['faults'][number]>): void {
    const first = api.nodes.slice(0, 500);
    expect(request.headers.accept).toBe('application/json');
    const token = Buffer.from(JSON.stringify({ generation: 1, start: 500 })).toString('base64url');
    response.end(JSON.stringify({ kind: 'NodeList', metadata: { continue: token }, items: first }));
  }
});

describe('a listing that fails', () => {
  it('is tried again while the server is not ready', async () => {
    const unready = (code: number) => (_: unknown, response: Parameters<typeof status>[0]) =>
      status(response, code, 'ServiceUnavailable', 'the server is currently unable to handle the request');
    api.faults.push(unready(503), unready(500), unready(429), (request) => request.socket.destroy());
    expect((await find(await kubeconfig())).nodes).toHaveLength(2);
    expect(api.requests).toHaveLength(5);
  });

  it('waits as long as the server asks it to', async () => {
    api.faults.push((_, response) => {
      response.setHeader('retry-after', '1');
      status(response, 429, 'TooManyRequests', 'slow down');
    });
    const start = performance.now();
    await find(await kubeconfig());
    expect(performance.now() - start).toBeGreaterThan(990);
  });

  it('does not wait longer than it has time', async () => {
    api.faults.push((_, response) => {
      response.setHeader('retry-after', '3600');
      status(response, 429, 'TooManyRequests', 'slow down');
    });
    const error = await failure(find(await kubeconfig()));
    expect(error.message).toContain('429');
  });

  it('says which kubeconfig, context and server, and why, when it goes on to fail', async () => {
    for (let i = 0; i < 20; i += 1)
      api.faults.push((_, response) => status(response, 503, 'ServiceUnavailable', 'etcd\u001b[31m is gone'));
    const file = await kubeconfig();
    const error = await failure(find(file));
    expect(error).toMatchObject({ code: 'discovery_failed' });
    expect(error.message).toContain('it answered 503: etcd [31m is gone');
    for (const part of [file, 'context prod', api.url]) expect(error.message).toContain(part);
    expect(error.hint).toContain('--nodes');
  });

  it('ends in time where the server takes the request and says nothing', async () => {
    api.faults.push(...Array.from({ length: 9 }, () => () => {}));
    const start = performance.now();
    const error = await failure(find(await kubeconfig()));
    expect(error).toMatchObject({ code: 'discovery_failed' });
    expect(error.message).toMatch(/does not answer/);
    expect(performance.now() - start).toBeLessThan(6000);
  });

  it('stops at once when it is interrupted', async () => {
    api.faults.push(() => {});
    const abort = new AbortController();
    const reason = new ImgctlError('interrupted', 'interrupted');
    setTimeout(() => abort.abort(reason), 100);
    expect(await failure(find(await kubeconfig(), {}, abort.signal))).toBe(reason);
  });

  it('ends at once, when it is interrupted, while a connection is being made', async () => {
    // It takes connections and says nothing to the TLS handshake
    const silent = createTcpServer(() => {}).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const file = await kubeconfig({ server: `https://127.0.0.1:${(silent.address() as AddressInfo).port}` });
    const abort = new AbortController();
    const reason = new ImgctlError('interrupted', 'enough');
    setTimeout(() => abort.abort(reason), 200);
    const begun = performance.now();
    expect(await failure(find(file, { patience: { ...quick, pageMs: 30_000 } }, abort.signal))).toBe(reason);
    expect(performance.now() - begun).toBeLessThan(2000);
    silent.close();
  });

  it('names the permission that lacks', async () => {
    const guest = await api.authority.issue('guest', { names: [], usages: ['client'] });
    const user = { 'client-certificate': guest.certFile, 'client-key': guest.keyFile };
    const error = await failure(find(await kubeconfig({}, user)));
    expect(error.message).toContain('403: nodes is forbidden: User "guest"');
    expect(error.hint).toContain('kubectl auth can-i list nodes');
  });

  it('says that the credentials are not accepted, and does not show them, whoever sends them back', async () => {
    api.faults.push((request, response) =>
      status(response, 401, 'Unauthorized', `no such ${request.headers.authorization}`),
    );
    const error = await failure(find(await kubeconfig({}, { token: 's3cr3t-token' })));
    expect(error.message).toContain('401');
    expect(error.hint).toContain('does not accept the credentials');
    expect(JSON.stringify([error.message, error.hint, error.context])).not.toContain('s3cr3t');
    expect(api.requests).toHaveLength(1);
  });

  it('trusts no server that another authority signed', async () => {
    await using stranger = await makeTestAuthority('stranger');
    const error = await failure(
      find(await kubeconfig({ 'certificate-authority': stranger.caFile }, { token: 't' })),
    );
    expect(error.message).toMatch(/certificate is not trusted/);
    expect(api.requests).toHaveLength(0);
  });

  it('does not follow redirects', async () => {
    api.faults.push((_, response) => response.writeHead(302, { location: api.url }).end());
    expect((await failure(find(await kubeconfig()))).message).toContain('302');
    expect(api.requests).toHaveLength(1);
  });

  it.each([
    ['a page of HTML', '<html>log in</html>'],
    ['another kind', '{"kind":"PodList","items":[]}'],
    ['a list of something else', '{"kind":"NodeList","items":[{"metadata":{"name":"../etc"}}]}'],
    ['half of it', '{"kind":"NodeList","items":['],
    ['a string', '"x"'],
    ['nothing', ''],
  ])('says that what answers is not Kubernetes: %s', async (_, body) => {
    api.faults.push((_request, response) => response.end(body));
    const error = await failure(find(await kubeconfig()));
    expect(error.message).toContain('not a list of nodes');
    expect(error.hint).toContain('proxy');
  });

  it('reads no answer without end', async () => {
    api.faults.push((_, response) => {
      const chunk = Buffer.alloc(1024 * 1024, ' ');
      const more = () => {
        while (!response.destroyed && response.write(chunk));
      };
      response.on('drain', more);
      more();
    });
    const patience = { ...quick, pageMs: 20_000 };
    expect((await failure(find(await kubeconfig(), { patience }))).message).toContain('64 MiB');
  });

  it.each([
    ['12345', '12345.invalid:25000'],
    ['0x7f.1', '0x7f-1.invalid:25000'],
    ['a'.repeat(70), `${'a'.repeat(60)}.invalid:25000`],
  ])('are spoken to by no name that is no host: %s', async (name, expected) => {
    api.nodes = [...api.nodes, kubeNode(name)];
    const { nodes } = await find(await kubeconfig());
    expect(nodes).toHaveLength(3);
    expect(nodes.find((node) => node.name === name)?.url.host).toBe(expected);
  });

  it('ends a list that goes round in circles under new tokens', async () => {
    for (let i = 0; i < 3; i += 1)
      api.faults.push((_, response) =>
        response.end(
          JSON.stringify({ kind: 'NodeList', metadata: { continue: `${i}` }, items: [kubeNode('a')] }),
        ),
      );
    expect((await failure(find(await kubeconfig()))).message).toContain('does not end');
    expect(api.requests).toHaveLength(2);
  });

  it('ends a list without end', async () => {
    for (let i = 0; i < 3; i += 1)
      api.faults.push((_, response) =>
        response.end(
          JSON.stringify({ kind: 'NodeList', metadata: { continue: 'same' }, items: [kubeNode('a')] }),
        ),
      );
    expect((await failure(find(await kubeconfig()))).message).toContain('does not end');
  });

  it.each([
    ['nothing listens there', 'https://127.0.0.1:1', /nothing listens there/],
    ['it speaks no TLS', 'http', /TLS handshake/],
    ['its name is unknown', 'https://no-such-host.invalid:6443', /host name/],
  ])('says that %s', async (_, server, why) => {
    const plain = createServer((_request, response) => response.end('hello'));
    await new Promise<void>((listening) => plain.listen(0, '127.0.0.1', listening));
    const url = server === 'http' ? `https://127.0.0.1:${(plain.address() as AddressInfo).port}` : server;
    const error = await failure(find(await kubeconfig({ server: url })));
    plain.close();
    expect(error).toMatchObject({ code: 'discovery_failed' });
    expect(error.message).toMatch(why);
    expect(error.message).toContain(url);
  });
});
