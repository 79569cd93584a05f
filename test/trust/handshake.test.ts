import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAgentClient } from '../../src/agent-api/agent-client.ts';
import { loadClientTrust } from '../../src/trust/client-trust.ts';
import { initTrust } from '../../src/trust/init.ts';
import { renewTrust } from '../../src/trust/renew.ts';

/** What `init` makes, between a server and the command's own client, over real TLS on loopback. */

const years = (n: number) => new Date(Date.now() + n * 365 * 86_400_000);

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'imgctl-test-handshake-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const read = (dir: string, name: string) => readFile(join(dir, name), 'utf8');

/** Speaks once to a server with these files; answers who the server saw, or what the command says instead. */
async function speak(
  dir: string,
  {
    agent = 'agent',
    mutual = false,
    clientDir = dir,
    ca = join(clientDir, 'ca.crt'),
    host = '127.0.0.1',
  } = {},
): Promise<string> {
  const [cert, key, clientCa] = await Promise.all(
    [`${agent}.crt`, `${agent}.key`, 'ca.crt'].map((name) => read(dir, name)),
  );
  const mutually = mutual ? { ca: clientCa, requestCert: true, rejectUnauthorized: true } : {};
  let seen = 'nobody';
  const server = createServer({ cert, key, ...mutually }, ({ socket }, response) => {
    seen = (socket as TLSSocket).getPeerCertificate().subject?.CN?.toString() ?? 'anybody';
    response.end('{"status":"ok"}');
  });
  await once(server.listen(0, host), 'listening');
  try {
    const trust = await loadClientTrust({ caFile: ca }, {});
    const authority = host.includes(':') ? `[${host}]` : host;
    const baseUrl = new URL(`https://${authority}:${(server.address() as AddressInfo).port}`);
    await using client = createAgentClient({ baseUrl, trust, name: 'node' });
    await client.healthz();
    return seen;
  } catch (error) {
    return (error as { code: string }).code;
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

describe('agents and the command', () => {
  it('trust each other with one certificate for all agents, at whatever address', async () => {
    const dir = join(root, 'one');
    await initTrust({ dir, hosts: [] });
    expect(await speak(dir)).toBe('anybody');
    expect(await speak(dir, { host: '127.0.0.2' })).toBe('anybody');
  });

  it('trust a certificate of its own at the address of its host, and nowhere else', async () => {
    const dir = join(root, 'hosts');
    await initTrust({ dir, hosts: [['worker-1', '127.0.0.1'], ['worker-2', '127.0.0.2'], ['::1']] });
    expect(await speak(dir, { agent: 'agent-worker-1' })).toBe('anybody');
    expect(await speak(dir, { agent: 'agent---1', host: '::1' })).toBe('anybody');
    expect(await speak(dir, { agent: 'agent-worker-2' })).toBe('node_untrusted');
  });

  it('know the command by its certificate, under mutual TLS', async () => {
    const [dir, bare] = [join(root, 'mutual'), join(root, 'no-client')];
    await initTrust({ dir, hosts: [], client: 'ci' });
    await initTrust({ dir: bare, hosts: [] });
    expect(await speak(dir, { mutual: true })).toBe('ci');
    expect(await speak(bare, { mutual: true })).not.toBe('anybody');
  });

  it("do not trust a stranger's authority, nor a client for an agent", async () => {
    const [dir, other] = [join(root, 'ours'), join(root, 'theirs')];
    await initTrust({ dir, hosts: [], client: 'ci' });
    await initTrust({ dir: other, hosts: [] });
    expect(await speak(dir, { clientDir: other })).toBe('node_untrusted');
    expect(await speak(dir, { agent: 'client' })).toBe('node_untrusted');
  });

  it.each([
    ['expired', -3],
    ['not yet valid', 1],
  ])('do not trust a certificate that is %s', async (_, when) => {
    const dir = join(root, `at ${when}`);
    await initTrust({ dir, hosts: [] });
    // From the authority of today, for a time that is not now
    await renewTrust({ dir, hosts: [], now: years(when) });
    expect(await speak(dir)).toBe('node_untrusted');
  });

  it('go on trusting each other while a renewed authority is handed out', async () => {
    const dir = join(root, 'extended');
    await initTrust({ dir, hosts: [], now: years(-9) });
    const before = join(root, 'before');
    await initTrust({ dir: before, hosts: [] });
    await import('node:fs/promises').then(({ copyFile }) =>
      copyFile(join(dir, 'ca.crt'), join(before, 'ca.crt')),
    );
    expect(await renewTrust({ dir, hosts: [] })).toMatchObject({ extended: true });
    expect([await speak(dir), await speak(dir, { clientDir: before })]).toEqual(['anybody', 'anybody']);
  });
});
