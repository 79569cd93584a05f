import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http';
import { createServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type AgentTrust, createAgentClient } from '../../src/agent-api/agent-client.ts';
import { issueCertificate, type KeyPair, type LeafRequest } from '../../src/trust/issue-certificate.ts';
import { days, makeTestAuthority, type TestAuthority } from '../support/agent-certificates.ts';

/** What a user is told when a peer cannot be trusted; and that nothing was said to that peer. */

const token = 'the-token-of-the-cluster';

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

const open: (Server | TlsServer)[] = [];
afterEach(() => {
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** Everything that reached a server's HTTP side. */
class Recorder {
  readonly heard: string[] = [];
  readonly listen: RequestListener = (request, response) => {
    this.heard.push(JSON.stringify([request.url, request.headers]));
    response.end('{"status":"ok"}');
  };
}

async function listening(server: Server | TlsServer): Promise<number> {
  open.push(server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function peerWith(from: TestAuthority, request: Partial<LeafRequest> = {}) {
  return peerShowing(await from.issue('peer', request));
}

async function peerShowing({ cert, key }: KeyPair) {
  const recorder = new Recorder();
  const port = await listening(createServer({ cert, key }, recorder.listen));
  return { port, recorder };
}

async function failure(url: string, trust: AgentTrust) {
  await using client = createAgentClient({ baseUrl: new URL(url), trust, name: 'worker-2' });
  return await client.healthz().then(
    () => 'it was trusted',
    (error) => error,
  );
}

const ours = () => ({ ca: authority.pair.cert, caFile: authority.caFile, token });

describe('a peer that is not trusted', () => {
  it.each<[string, () => Promise<{ port: number; recorder: Recorder }>, RegExp, RegExp]>([
    [
      'of another authority',
      () => peerWith(stranger),
      /was not signed by the authority in .*ca\.crt/,
      /--ca-file.*CN=peer, by CN=a stranger, SHA-256 ([0-9A-F]{2}:){31}/,
    ],
    [
      'expired',
      () => peerWith(authority, { validity: days(-20, -10) }),
      /expired on \d{4}-\d\d-\d\dT/,
      /imgctl init --renew.*clock of this machine says \d{4}/,
    ],
    [
      'not yet valid',
      () => peerWith(authority, { validity: days(1, 10) }),
      /is not valid before \d{4}-\d\d-\d\dT/,
      /The clock of this machine says \d{4}/,
    ],
    [
      'of another name',
      () => peerWith(authority, { names: ['registry.example', '10.9.9.9'] }),
      /is for DNS:registry\.example, IP Address:10\.9\.9\.9, neither for imgctl-agent nor for this host/,
      /imgctl init/,
    ],
    [
      'for clients, of the same authority',
      () => peerWith(authority, { usages: ['client'] }),
      /is for clients, not for agents/,
      /init made for agents/,
    ],
    [
      'signed by an agent that plays authority',
      async () => {
        const agent = await authority.issue('stolen');
        const { cert, key } = await issueCertificate(agent, {
          subject: 'peer',
          names: ['imgctl-agent'],
          usages: ['server'],
          validity: days(-1, 10),
        });
        return peerShowing({ cert: cert + agent.cert, key });
      },
      /was not signed by the authority in .*ca\.crt/,
      /CN=peer, by CN=stolen/,
    ],
  ])('%s: says so, and hears nothing', async (_, make, message, hint) => {
    const { port, recorder } = await make();

    expect(await failure(`https://127.0.0.1:${port}`, ours())).toMatchObject({
      code: 'node_untrusted',
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
      context: { node: 'worker-2', address: `127.0.0.1:${port}`, fingerprint: expect.any(String) },
    });
    expect(recorder.heard).toEqual([]);
  });

  it('because no authority was given: says which option gives one', async () => {
    const { port, recorder } = await peerWith(authority);

    expect(await failure(`https://127.0.0.1:${port}`, { token })).toMatchObject({
      code: 'node_untrusted',
      message: expect.stringContaining('no authority was given'),
      hint: expect.stringContaining('--ca-file FILE'),
    });
    expect(recorder.heard).toEqual([]);
  });

  it('because it speaks plain HTTP where TLS is due: hears nothing', async () => {
    const recorder = new Recorder();
    const port = await listening(createHttpServer(recorder.listen));

    expect(await failure(`https://127.0.0.1:${port}`, ours())).toMatchObject({
      code: 'node_untrusted',
      message: expect.stringMatching(/does not speak TLS.*nothing was sent/),
      hint: expect.stringContaining(`http://127.0.0.1:${port}`),
    });
    expect(recorder.heard).toEqual([]);
  });

  it('because its TLS is too old', async () => {
    const { cert, key } = await authority.issue('old-tls');
    const port = await listening(
      createServer({ cert, key, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }),
    );

    expect(await failure(`https://127.0.0.1:${port}`, ours())).toMatchObject({
      code: 'node_untrusted',
      message: expect.stringContaining('too old'),
    });
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'because it wants a client certificate is told apart, over %s',
    async (maxVersion) => {
      const { cert, key } = await authority.issue('mutual');
      const server = createServer({
        cert,
        key,
        ca: authority.pair.cert,
        requestCert: true,
        rejectUnauthorized: true,
        maxVersion,
      });
      const port = await listening(server);
      const theirs = await stranger.issue('command');

      expect(await failure(`https://127.0.0.1:${port}`, ours())).toMatchObject({
        code: 'node_unauthorized',
        message: expect.stringContaining('wants a client certificate, and none was given'),
      });
      expect(
        await failure(`https://127.0.0.1:${port}`, { ...ours(), cert: theirs.cert, key: theirs.key }),
      ).toMatchObject({
        code: 'node_unauthorized',
        message: expect.stringContaining('does not trust the certificate that was shown'),
      });
    },
  );

  it('because our own files are no certificates is our fault', async () => {
    const { port } = await peerWith(authority);
    const [a, b] = [await authority.issue('a'), await authority.issue('b')];

    expect(await failure(`https://127.0.0.1:${port}`, { ...ours(), cert: a.cert, key: b.key })).toMatchObject(
      { code: 'certificate_invalid' },
    );
  });
});

describe('a peer that is trusted', () => {
  it.each<[string, Partial<LeafRequest>]>([
    ['imgctl-agent', {}],
    ["the host's own address", { names: ['127.0.0.1'] }],
  ])('by the name %s gets the token', async (_, request) => {
    const { port, recorder } = await peerWith(authority, request);

    expect(await failure(`https://127.0.0.1:${port}`, ours())).toBe('it was trusted');
    expect(recorder.heard.join('')).toContain(`Bearer ${token}`);
  });

  it('is not followed where it redirects to', async () => {
    const elsewhere = new Recorder();
    const target = await listening(createHttpServer(elsewhere.listen));
    const { cert, key } = await authority.issue('redirecting');
    const port = await listening(
      createServer({ cert, key }, (_, response) =>
        response.writeHead(307, { location: `http://127.0.0.1:${target}/` }).end(),
      ),
    );

    expect(await failure(`https://127.0.0.1:${port}`, ours())).toMatchObject({ code: 'node_not_agent' });
    expect(elsewhere.heard).toEqual([]);
  });

  it('is never spoken to through a proxy', async () => {
    const proxy = new Recorder();
    const { port, recorder } = await peerWith(authority);
    const names = ['HTTPS_PROXY', 'https_proxy', 'ALL_PROXY'];
    for (const name of names)
      process.env[name] = `http://127.0.0.1:${await listening(createHttpServer(proxy.listen))}`;
    try {
      expect(await failure(`https://127.0.0.1:${port}`, ours())).toBe('it was trusted');
    } finally {
      for (const name of names) delete process.env[name];
    }
    expect(proxy.heard).toEqual([]);
    expect(recorder.heard).toHaveLength(1);
  });

  it('says when to come again', async () => {
    const port = await listening(
      createHttpServer((_, response) =>
        response
          .writeHead(429, { 'retry-after': '7' })
          .end('{"error":{"code":"overloaded","message":"too much"}}'),
      ),
    );

    expect(await failure(`http://127.0.0.1:${port}`, { token })).toMatchObject({
      code: 'overloaded',
      context: { retryAfterMs: 7_000 },
    });
  });
});

describe('a token that was just replaced', () => {
  /** Lets in whoever shows `accepted`, and keeps what was shown. */
  async function agentThatTakes(accepted: string) {
    const shown: (string | undefined)[] = [];
    const port = await listening(
      createHttpServer((request, response) => {
        const bearer = request.headers.authorization?.slice('Bearer '.length);
        shown.push(bearer);
        response.writeHead(bearer === accepted ? 200 : 401, { 'content-type': 'application/json' });
        const error = { code: 'node_unauthorized', message: `not with ${bearer}` };
        response.end(JSON.stringify(bearer === accepted ? { images: [] } : { error }));
      }),
    );
    const trust = { token: 'the-new-token-of-all', previousToken: 'the-old-token-of-all' };
    const client = createAgentClient({
      baseUrl: new URL(`http://127.0.0.1:${port}`),
      trust,
      name: 'worker-2',
    });
    return { shown, client };
  }

  it('gives way to the one before it at a node that has not heard of it, from then on', async () => {
    const { shown, client } = await agentThatTakes('the-old-token-of-all');
    await using _ = client;
    await client.images();
    await client.images();
    expect(shown).toEqual(['the-new-token-of-all', 'the-old-token-of-all', 'the-old-token-of-all']);
  });

  it('is the only one that a node hears which knows it', async () => {
    const { shown, client } = await agentThatTakes('the-new-token-of-all');
    await using _ = client;
    await client.images();
    expect(shown).toEqual(['the-new-token-of-all']);
  });

  it('is the one whose refusal is told where neither is taken, and neither is in the error', async () => {
    const { client } = await agentThatTakes('another');
    await using _ = client;
    const error = await client.images().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'node_unauthorized', message: 'not with [token]' });
  });
});
