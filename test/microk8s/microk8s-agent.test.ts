import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ImgctlError } from '../../src/errors.ts';
import type { Microk8sCredentials } from '../../src/microk8s/credentials.ts';
import { isMicrok8s } from '../../src/microk8s/is-microk8s.ts';
import { createMicrok8sAgent } from '../../src/microk8s/microk8s-agent.ts';
import { refusalOf } from '../../src/microk8s/refusal.ts';
import { createMemoryStore } from '../../src/store/memory/memory-store.ts';
import { startAgent } from '../agent/test-agent.ts';
import { days, makeTestAuthority } from '../support/agent-certificates.ts';
import {
  anyArchive,
  type Microk8sAgentOptions,
  type Microk8sCluster,
  makeMicrok8sCluster,
  startMicrok8sAgent,
} from '../support/microk8s-agent.ts';

const signal = new AbortController().signal;
let cluster: Microk8sCluster;
let credentials: Microk8sCredentials;

beforeAll(async () => {
  cluster = await makeMicrok8sCluster();
  credentials = { token: cluster.token, certificates: [new X509Certificate(cluster.authority.pair.cert)] };
});
afterAll(() => cluster[Symbol.asyncDispose]());

function agentWith(options: Partial<Microk8sAgentOptions> = {}) {
  return startMicrok8sAgent({ cluster, importer: anyArchive, ...options });
}

async function* zeros(bytes: number): AsyncGenerator<Uint8Array> {
  for (let left = bytes; left > 0; left -= 65_536) yield Buffer.alloc(Math.min(left, 65_536));
}

/** Sends `bytes` bytes; answers what was told meanwhile, and the error. */
async function send(url: URL, bytes: number, own: Microk8sCredentials = credentials, body = zeros(bytes)) {
  const told = { bytes: 0, sent: false };
  const error = await createMicrok8sAgent({ url, credentials: own })
    .import({
      length: bytes,
      body,
      signal,
      onBytes: (more) => {
        told.bytes += more;
      },
      onSent: () => {
        told.sent = true;
      },
    })
    .then(
      () => undefined,
      (thrown: unknown) => thrown as ImgctlError,
    );
  return { ...told, error };
}

const mebi = 1024 * 1024;

describe("an archive to MicroK8s's cluster agent", () => {
  it('goes there whole, with its length and the callback token, and is told in bytes', async () => {
    await using agent = await agentWith();

    const { error, bytes, sent } = await send(agent.url, 3 * mebi);

    expect(error).toBeUndefined();
    expect({ bytes, sent }).toEqual({ bytes: 3 * mebi, sent: true });
    expect(agent.requests).toMatchObject([
      { method: 'POST', path: '/cluster/api/v2.0/image/import', token: cluster.token, bytes: 3 * mebi },
    ]);
    expect(agent.requests[0]?.length).toBe(String(3 * mebi));
  });

  it('is not sent where the token is wrong: the refusal comes before the first byte', async () => {
    await using agent = await agentWith();

    const { error, bytes } = await send(agent.url, 64 * mebi, { ...credentials, token: 'other' });

    expect(error).toMatchObject({ code: 'node_unauthorized', context: { status: 401 } });
    expect(bytes).toBe(0);
  });

  it('is answered with the error that comes while it is being sent, not with a broken connection', async () => {
    await using agent = await agentWith({
      importer: async (archive) => {
        await once(archive, 'readable');
        return 1;
      },
    });

    const { error, sent } = await send(agent.url, 256 * mebi);

    expect(error).toMatchObject({
      code: 'store_failed',
      message: expect.stringContaining('microk8s.ctr command failed: exit status 1'),
    });
    expect(sent).toBe(false);
  });

  it('meets a deadline, and the error says so', async () => {
    const text = '{"error":"Failed to import the image: microk8s.ctr command failed: signal: killed"}';

    expect(refusalOf({ status: 500, text }, 'n:25000', 240_100).message).toMatch(/deadline, after 240 s/);
    expect(refusalOf({ status: 500, text }, 'n:25000', 9_000).message).toMatch(/was killed after 9 s/);
  });

  it('is node_unreachable where the connection is reset while it is sent', async () => {
    await using agent = await agentWith({
      instead: (request, response) => {
        if (request.method !== 'POST') return false;
        response.writeContinue();
        // With the rest unread the kernel resets the connection
        request.once('data', () => request.pause().socket.destroy());
        return true;
      },
    });

    expect((await send(agent.url, 64 * mebi)).error).toMatchObject({
      code: 'node_unreachable',
      context: { phase: 'send' },
    });
  });

  it('is node_not_agent where the endpoint is not there', async () => {
    await using agent = await agentWith({
      instead: (_, response) => {
        response.writeHead(404, { connection: 'close' }).end('{"error":"Not found"}');
        return true;
      },
    });

    expect((await send(agent.url, mebi)).error).toMatchObject({ code: 'node_not_agent' });
  });

  it('that cannot be read on fails with the error of its source, and is not taken for whole', async () => {
    let taken = 0;
    await using agent = await agentWith({
      importer: async (archive) => {
        archive.on('data', (chunk: Buffer) => {
          taken += chunk.byteLength;
        });
        await once(archive, 'end');
        taken = Infinity;
        return 0;
      },
    });
    async function* broken() {
      yield* zeros(mebi);
      await sleep(20);
      throw new ImgctlError('archive_truncated', 'the file is shorter now');
    }

    const { error } = await send(agent.url, 2 * mebi, credentials, broken());

    expect(error).toMatchObject({ code: 'archive_truncated' });
    expect(taken).toBeLessThanOrEqual(mebi);
  });

  it('waits for a node that is slow to take it, with nothing read ahead', async () => {
    let read = 0;
    const { promise: go, resolve } = Promise.withResolvers<void>();
    await using agent = await agentWith({
      importer: async (archive) => {
        await go;
        return anyArchive(archive);
      },
    });
    async function* counted() {
      for await (const chunk of zeros(64 * mebi)) {
        read += chunk.byteLength;
        yield chunk;
      }
    }

    const sending = send(agent.url, 64 * mebi, credentials, counted());
    await sleep(500);

    // What the sockets of both sides hold, no more
    expect(read).toBeLessThan(24 * mebi);
    resolve();
    expect((await sending).error).toBeUndefined();
  });
});

describe('the callback token', () => {
  it('never leaves for a certificate that is not known; the error has its fingerprint', async () => {
    await using stranger = await makeTestAuthority('10.152.183.1');
    await using agent = await agentWith({ authority: stranger });
    const { fingerprint256 } = new X509Certificate(await readFile(agent.certFile));

    const { error } = await send(agent.url, mebi);

    expect(error).toMatchObject({ code: 'node_untrusted' });
    expect(error?.message).toContain(fingerprint256);
    expect(error?.hint).toMatch(/server\.crt.*--microk8s-ca/);
    expect(agent.requests).toEqual([]);
  });

  it('stays where no certificate is known at all', async () => {
    await using agent = await agentWith();

    const { error } = await send(agent.url, mebi, { token: cluster.token, certificates: [] });

    expect(error).toMatchObject({ code: 'node_untrusted' });
    expect(agent.requests).toEqual([]);
  });

  it("stays where the cluster's authority signed the certificate for another address", async () => {
    await using agent = await agentWith({ names: ['10.0.0.9'] });

    expect((await send(agent.url, mebi)).error).toMatchObject({
      code: 'node_untrusted',
      message: expect.stringContaining('it is for another address'),
    });
    expect(agent.requests).toEqual([]);
  });

  it('goes to a worker, whose own certificate was given, whatever it says of itself', async () => {
    await using worker = await makeTestAuthority('10.152.183.1');
    await using agent = await agentWith({ authority: worker, names: ['elsewhere'] });
    const given = new X509Certificate(await readFile(agent.certFile));
    const both = { token: cluster.token, certificates: [...credentials.certificates, given] };

    expect((await send(agent.url, mebi, both)).error).toBeUndefined();
  });

  it('is missing in words where there is none', async () => {
    await using agent = await agentWith();

    expect((await send(agent.url, mebi, { certificates: credentials.certificates })).error).toMatchObject({
      code: 'node_unauthorized',
      hint: expect.stringContaining('--microk8s-token-file'),
    });
  });
});

describe('telling what listens', () => {
  it("knows MicroK8s's agent without any secret", async () => {
    await using agent = await agentWith();

    expect(await isMicrok8s(agent.url, signal)).toBe(true);
    expect(agent.requests.map(({ method, token }) => [method, token])).toEqual([
      ['GET', undefined],
      ['GET', undefined],
    ]);
  });

  it('does not take others for it: an agent of ours, with and without TLS, and one that hangs up', async () => {
    await using authority = await makeTestAuthority();
    const { certFile, keyFile } = await authority.issue('agent', { validity: days(-1, 1) });
    await using plain = await startAgent(createMemoryStore());
    await using own = await startAgent(createMemoryStore(), {
      settings: { tlsCert: certFile, tlsKey: keyFile },
    });
    const rude = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await once(rude, 'listening');
    const { port } = rude.address() as { port: number };

    expect(await isMicrok8s(new URL(`https://${plain.url.host}`), signal)).toBe(false);
    expect(await isMicrok8s(new URL(`https://${own.url.host}`), signal)).toBe(false);
    expect(await isMicrok8s(new URL(`https://127.0.0.1:${port}`), signal)).toBe(false);
    rude.close();
  });

  it('gives up on one that says nothing', async () => {
    const mute = createServer().listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const { port } = mute.address() as { port: number };

    const stop = AbortSignal.timeout(300);
    await expect(isMicrok8s(new URL(`https://127.0.0.1:${port}`), stop)).rejects.toThrow();
    mute.close();
  });
});
