import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { type AgentClient, createAgentClient } from '../../src/agent-api/agent-client.ts';
import type { ImportHandle } from '../../src/agent-api/import-node.ts';
import { maxDocumentsPerRequestBytes } from '../../src/agent-api/routes.ts';
import type { Declaration } from '../../src/agent-api/schemas.ts';
import { ImgctlError } from '../../src/errors.ts';
import type { Digest } from '../../src/image/digest.ts';

const digest = `sha256:${'1'.repeat(64)}` as Digest;
const state = { id: 'i1', images: [], missing: [], totalBytes: 0, presentBytes: 0 };

const open: (Server | TcpServer | AgentClient)[] = [];
afterEach(async () => {
  for (const thing of open.splice(0)) {
    if ('images' in thing) await thing[Symbol.asyncDispose]();
    else thing.close();
  }
});

async function clientOf(server: Server | TcpServer, path = ''): Promise<AgentClient> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push(server);
  return client(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`);
}

function client(url: string): AgentClient {
  const made = createAgentClient({
    baseUrl: new URL(url),
    trust: { token: 'secret-token' },
    name: 'worker-2',
  });
  open.push(made);
  return made;
}

function peer(listener: RequestListener): Promise<AgentClient> {
  return clientOf(createServer(listener));
}

/** A peer that opens an import with every POST, and does what it is told with everything else. */
async function importAt(listener: RequestListener): Promise<ImportHandle> {
  const made = await peer((request, response) => {
    if (request.method !== 'POST') return listener(request, response);
    request.resume().on('end', () => response.writeHead(201).end(JSON.stringify(state)));
  });
  return made.openImport({});
}

async function* chunks(count: number, size = 64 * 1024): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i++) yield new Uint8Array(size);
}

describe('a node that cannot be reached', () => {
  it.each([
    ['http://127.0.0.1:1', 'ECONNREFUSED', /imgctl agent run/],
    ['http://no-such-host.invalid:25000', 'ENOTFOUND', /name/],
  ])('%s is node_unreachable: %s', async (url, reason, hint) => {
    await expect(client(url).describe()).rejects.toMatchObject({
      code: 'node_unreachable',
      hint: expect.stringMatching(hint),
      context: { node: 'worker-2', reason: expect.stringMatching(new RegExp(`${reason}|EAI_AGAIN`)) },
    });
  });

  it('is node_unreachable when the connection breaks before the answer', async () => {
    const made = await clientOf(createTcpServer((socket) => socket.once('data', () => socket.destroy())));

    await expect(made.describe()).rejects.toMatchObject({
      code: 'node_unreachable',
      context: { node: 'worker-2' },
    });
  });

  it('is node_unreachable when the connection is reset while a blob is being sent', async () => {
    const target = await importAt((request) => request.once('data', () => request.socket.resetAndDestroy()));

    await expect(target.put({ digest, offset: 0, size: 6_553_600 }, () => chunks(100))).rejects.toMatchObject(
      {
        code: 'node_unreachable',
        context: { reason: expect.stringMatching(/ECONNRESET|EPIPE|UND_ERR_SOCKET/) },
      },
    );
  });
});

describe('what is not an agent', () => {
  it.each([
    [200, 'text/html', '<html>hello</html>'],
    [404, 'text/plain', 'not found'],
    [404, 'application/json', '{"message":"no"}'],
    [401, 'text/plain', 'who are you'],
    [302, 'text/plain', ''],
    [400, 'text/plain', 'Client sent an HTTP request to an HTTPS server.\n'],
  ])('is recognised by its answer: %i %s %j', async (status, type, body) => {
    const made = await peer((_, response) =>
      response.writeHead(status, { 'content-type': type, location: 'http://127.0.0.1:1/' }).end(body),
    );

    await expect(made.describe()).rejects.toMatchObject({
      code: 'node_not_agent',
      hint: expect.stringContaining('25001'),
      context: { node: 'worker-2', status },
    });
  });

  it('is recognised when it speaks another protocol', async () => {
    const made = await clientOf(createTcpServer((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n')));

    await expect(made.describe()).rejects.toMatchObject({ code: 'node_not_agent' });
  });
});

describe('an answer', () => {
  it('that is none of the schema is node_protocol', async () => {
    const made = await peer((_, response) => response.end('{"name":1}'));

    await expect(made.describe()).rejects.toMatchObject({ code: 'node_protocol' });
  });

  it('that never ends is cut', async () => {
    const made = await peer((_, response) => {
      const more = () => response.write('x'.repeat(1_000_000)) && setImmediate(more);
      response.on('drain', more);
      more();
    });

    await expect(made.images()).rejects.toMatchObject({ code: 'node_protocol' });
  }, 30_000);

  it("that is an agent's error becomes the error, its text fit for a terminal", async () => {
    const made = await peer((_, response) =>
      response
        .writeHead(507)
        .end('{"error":{"code":"store_full","message":"\\u001b[31mfull","hint":"free\\nsome"}}'),
    );

    await expect(made.describe()).rejects.toMatchObject({
      code: 'store_full',
      message: ' [31mfull',
      hint: 'free some',
      context: { node: 'worker-2' },
    });
  });

  it('that repeats the token wherever it can brings it into no error', async () => {
    const text = 'you said secret-token';
    const error = {
      code: 'store_full',
      message: text,
      hint: text,
      context: { a: text, b: [text], [text]: 1 },
    };
    const made = await peer((_, response) => response.writeHead(507).end(JSON.stringify({ error })));

    const thrown = await made.describe().catch((reason: ImgctlError) => reason);

    expect(thrown).toMatchObject({
      code: 'store_full',
      message: 'you said [token]',
      context: { node: 'worker-2', b: ['you said [token]'] },
    });
    expect(inspect(thrown)).not.toContain('secret-token');
  });

  it('that is a 401 says where the token comes from', async () => {
    const made = await peer((_, response) =>
      response.writeHead(401).end('{"error":{"code":"node_unauthorized","message":"wrong"}}'),
    );

    await expect(made.describe()).rejects.toMatchObject({
      code: 'node_unauthorized',
      hint: expect.stringContaining('--token-file'),
    });
  });

  it('is asked for with the token, and never through a proxy', async () => {
    process.env.HTTP_PROXY = process.env.http_proxy = 'http://127.0.0.1:1';
    try {
      let authorization: string | undefined;
      const made = await peer((request, response) => {
        authorization = request.headers.authorization;
        response.end('{"status":"ok"}');
      });
      await made.healthz();
      expect(authorization).toBe('Bearer secret-token');
    } finally {
      delete process.env.HTTP_PROXY;
      delete process.env.http_proxy;
    }
  });
});

describe('sending a blob', () => {
  it('announces its length and takes the answer', async () => {
    const target = await importAt(async (request, response) => {
      let received = 0;
      for await (const chunk of request) received += chunk.length;
      expect(request.headers['content-length']).toBe('655360');
      expect(request.url).toBe(`/v1/imports/i1/blobs/${encodeURIComponent(digest)}?offset=100`);
      response.end(JSON.stringify({ received }));
    });

    const result = await target.put({ digest, offset: 100, size: 655_460 }, () => chunks(10));

    expect(result).toEqual({ received: 655_360, relay: [] });
  });

  it('takes an answer that comes early, and leaves the source', async () => {
    const target = await importAt((request, response) => {
      request.once('data', () => response.end('{"received":0}'));
    });
    let left = false;
    async function* endless() {
      try {
        for (;;) yield new Uint8Array(64 * 1024);
      } finally {
        left = true;
      }
    }

    expect(await target.put({ digest, offset: 0, size: 1e12 }, endless)).toEqual({ received: 0, relay: [] });
    await expect.poll(() => left).toBe(true);
  });

  it('takes an early error although the source is silent', async () => {
    const target = await importAt((request, response) => {
      request.once('data', () =>
        response
          .writeHead(409)
          .end('{"error":{"code":"offset_mismatch","message":"no","context":{"offset":7}}}'),
      );
    });
    async function* silent() {
      yield new Uint8Array(10);
      await delay(60_000, undefined, { ref: false });
    }

    await expect(target.put({ digest, offset: 0, size: 100 }, silent)).rejects.toMatchObject({
      code: 'offset_mismatch',
      context: { offset: 7 },
    });
  });

  it('opens no body where nothing is left to send', async () => {
    const target = await importAt((request, response) => {
      expect(request.headers['content-length']).toBe('0');
      response.end('{"received":0}');
    });
    const body = () => {
      throw new Error('it was opened');
    };

    expect(await target.put({ digest, offset: 10, size: 10 }, body)).toMatchObject({ received: 0 });
  });

  it("fails with the source's own error when that fails", async () => {
    const target = await importAt((request) => request.resume());
    async function* damaged() {
      yield new Uint8Array(10);
      throw new ImgctlError('archive_truncated', 'cut');
    }

    await expect(target.put({ digest, offset: 0, size: 100 }, damaged)).rejects.toMatchObject({
      code: 'archive_truncated',
    });
  });

  it('fails with the reason of the signal that ends it', async () => {
    const target = await importAt((request) => request.resume());
    const stalled = new AbortController();
    const putting = target.put({ digest, offset: 0, size: 1e12 }, () => chunks(1e9), stalled.signal);
    setTimeout(() => stalled.abort(new ImgctlError('node_stalled', 'too slow')), 50);

    await expect(putting).rejects.toMatchObject({ code: 'node_stalled', context: { node: 'worker-2' } });
  });
});

describe('declaring much', () => {
  it('is done in several requests, each within bounds', async () => {
    const requests: { method: string | undefined; documents: number }[] = [];
    const made = await peer(async (request, response) => {
      const body = Buffer.concat(await Array.fromAsync(request)).toString();
      requests.push({ method: request.method, documents: JSON.parse(body).documents.length });
      response.writeHead(200).end(JSON.stringify(state));
    });
    const document = { descriptor: { digest, size: 1, mediaType: '' }, data: 'A'.repeat(4 * 1024 * 1024) };
    const declaration: Declaration = { documents: Array.from({ length: 9 }, () => document) };

    await made.openImport(declaration);

    const perRequest = Math.floor(maxDocumentsPerRequestBytes / (3 * 1024 * 1024));
    expect(requests).toEqual([
      { method: 'POST', documents: perRequest },
      { method: 'PATCH', documents: perRequest },
      { method: 'PATCH', documents: 9 - 2 * perRequest },
    ]);
  });
});

describe('a stream of events', () => {
  const eventsOf = async (...pieces: string[]) => {
    const target = await importAt(async (_, response) => {
      for (const piece of pieces) {
        response.write(piece);
        await delay(5);
      }
      response.end();
    });
    return Array.fromAsync(target.events());
  };

  it('is put together from any pieces, up to the terminal event', async () => {
    const events = await eventsOf(
      '{"type":"ali',
      've"}\n{"type":"warning","mess',
      'age":"a\\u001bb"}\n\n{"type":"done","images":[]}\n{"ty',
    );

    expect(events).toEqual([
      { type: 'alive' },
      { type: 'warning', message: 'a b' },
      { type: 'done', images: [] },
    ]);
  });

  it('passes over kinds of events that are not known yet', async () => {
    expect(await eventsOf('{"type":"weather","x":1}\n{"type":"done","images":[]}\n')).toEqual([
      { type: 'done', images: [] },
    ]);
  });

  it.each([
    ['ends before the terminal event', '{"type":"alive"}\n'],
    ['is cut within a line', '{"type":"alive"}\n{"type":"done","images":[]}'],
    ['is not JSON', 'hello\n'],
    ['is not an event', '{"type":"blob"}\n'],
    ['has a line without end', 'x'.repeat(1_100_000)],
  ])('that %s has failed', async (_, text) => {
    await expect(eventsOf(text)).rejects.toMatchObject({
      code: 'node_protocol',
      context: { node: 'worker-2' },
    });
  });

  it('that breaks is node_unreachable', async () => {
    const target = await importAt((_, response) => {
      response.write('{"type":"alive"}\n');
      setTimeout(() => response.destroy(), 20);
    });

    await expect(Array.fromAsync(target.events())).rejects.toMatchObject({ code: 'node_unreachable' });
  });

  it('can be left at any moment', async () => {
    let closed = false;
    const target = await importAt((_, response) => {
      response.write('{"type":"alive"}\n');
      response.on('close', () => {
        closed = true;
      });
    });
    for await (const event of target.events()) {
      expect(event.type).toBe('alive');
      break;
    }

    await expect.poll(() => closed).toBe(true);
  });

  it('ends with the reason of the signal', async () => {
    const target = await importAt((_, response) => void response.write('{"type":"alive"}\n'));
    const stop = new AbortController();
    setTimeout(() => stop.abort(new ImgctlError('interrupted', 'enough')), 30);

    await expect(Array.fromAsync(target.events(stop.signal))).rejects.toMatchObject({ code: 'interrupted' });
  });
});
