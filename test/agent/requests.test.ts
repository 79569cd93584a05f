import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { maxJsonBytes } from '../../src/agent-api/routes.ts';
import { createMemoryStore } from '../../src/store/memory/memory-store.ts';
import { randomBlob } from '../support/blobs.ts';
import { ask } from './http.ts';
import { startAgent, type TestAgent } from './test-agent.ts';

const digest = `sha256:${'0'.repeat(64)}`;

let agent: TestAgent;
beforeAll(async () => {
  agent = await startAgent(createMemoryStore(), { limits: { headersMs: 300, idleMs: 400 } });
});
afterAll(() => agent[Symbol.asyncDispose]());

/** Sends bytes as they are, and answers everything that comes back until the agent closes. */
function speak(text: string): Promise<string> {
  const socket: Socket = connect(Number(agent.url.port), '127.0.0.1');
  socket.write(text);
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk;
  });
  return new Promise((resolve) => socket.on('close', () => resolve(answer)).on('error', () => {}));
}

describe('the token', () => {
  const routes = [
    ['GET', '/v1/node'],
    ['POST', '/v1/imports'],
    ['GET', '/v1/imports/x'],
    ['PUT', `/v1/imports/x/blobs/${digest}`],
    ['GET', '/v1/imports/x/events'],
    ['DELETE', '/v1/imports/x'],
    ['POST', '/v1/blobs/have'],
    ['GET', `/v1/blobs/${digest}`],
    ['GET', '/v1/images'],
    ['DELETE', '/v1/images/app:1'],
    ['POST', '/v1/images/import'],
    ['POST', '/v1/registry/image'],
    ['POST', `/v1/imports/x/blobs/${digest}/fetch`],
    ['GET', '/v2/'],
    ['GET', '/no/such/route'],
  ] as const;

  it.each(routes)('is wanted for %s %s', async (method, path) => {
    expect(await ask(agent, path, { method, headers: {} })).toMatchObject({
      status: 401,
      code: 'node_unauthorized',
    });
  });

  it.each(['Bearer wrong', 'Bearer', 'Bearer ', 'Basic dXNlcjpwYXNz', 'wrong'])(
    'is not %j',
    async (authorization) => {
      const answer = await ask(agent, '/v1/node', { headers: { authorization } });

      expect(answer).toMatchObject({ status: 401, code: 'node_unauthorized' });
      expect(answer.text).not.toContain(agent.token);
    },
  );

  it('is accepted whatever the case of its scheme', async () => {
    const headers = { authorization: `bearer ${agent.token}` };

    expect((await ask(agent, '/v1/node', { headers })).status).toBe(200);
  });

  it.each(['/healthz', '/readyz', '/metrics'])('is not wanted for %s', async (path) => {
    expect((await ask(agent, path, { headers: {} })).status).toBe(200);
  });
});

describe('a request that is not right', () => {
  it.each([
    ['GET', '/nowhere', 404, 'route_unknown'],
    ['POST', '/v1/node', 404, 'route_unknown'],
    ['GET', '/v1/imports/none', 404, 'import_gone'],
    ['GET', '/v1/imports/none/events', 404, 'import_gone'],
    ['DELETE', '/v1/imports/none', 404, 'import_gone'],
    ['DELETE', '/v1/imports/none?discard=maybe', 400, 'request_invalid'],
    ['GET', '/v1/imports/%ff', 400, 'request_invalid'],
    ['GET', '/v1/blobs/sha256:12', 400, 'digest_invalid'],
    ['GET', `/v1/blobs/${digest}`, 404, 'blob_unknown'],
    ['GET', `/v1/blobs/${'x'.repeat(5000)}`, 400, 'request_invalid'],
    ['DELETE', '/v1/images/UPPER', 400, 'reference_invalid'],
    ['DELETE', '/v1/images/none:1', 404, 'image_unknown'],
    ['DELETE', `/v1/images/${'%2F'.repeat(500)}`, 400, 'reference_invalid'],
    ['PUT', `/v1/imports/none/blobs/${digest}`, 404, 'import_gone'],
    ['PUT', `/v1/imports/none/blobs/${digest}?offset=-1`, 400, 'request_invalid'],
    ['PUT', `/v1/imports/none/blobs/${digest}?offset=1e3`, 400, 'request_invalid'],
    ['PUT', '/v1/imports/none/blobs/sha256%3A00', 400, 'digest_invalid'],
  ] as const)('%s %s is answered %i %s', async (method, path, status, code) => {
    const body = method === 'PUT' ? 'bytes' : undefined;

    expect(await ask(agent, path, { method, ...(body && { body }) })).toMatchObject({ status, code });
  });

  it.each([
    ['{', 'not JSON'],
    ['[]', 'expected object'],
    ['{"images":[{"target":{"digest":"sha256:1","size":1}}]}', 'not a digest'],
    ['{"platforms":[]}', 'platforms'],
  ])('says what is wrong with the declaration %s', async (body, why) => {
    const answer = await ask(agent, '/v1/imports', { method: 'POST', body });

    expect(answer).toMatchObject({ status: 400, code: 'request_invalid' });
    expect(answer.text).toContain(why);
  });

  it('names the namespace when another is asked for', async () => {
    const answer = await ask(agent, '/v1/imports', { method: 'POST', body: '{"namespace":"moby"}' });

    expect(answer).toMatchObject({ status: 403, code: 'namespace_forbidden' });
  });

  it('is refused by its announced length when it is too large, without being read', async () => {
    const answer = await speak(
      `POST /v1/imports HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${agent.token}\r\nContent-Length: ${maxJsonBytes + 1}\r\nExpect: 100-continue\r\n\r\n`,
    );

    expect(answer).toMatch(/^HTTP\/1.1 413 /);
    expect(answer).toContain('request_too_large');
  });

  it('is refused when it turns out too large on the way', async () => {
    const body = Buffer.alloc(maxJsonBytes + 1024, ' ');

    expect(await ask(agent, '/v1/imports', { method: 'POST', body })).toMatchObject({
      status: 413,
      code: 'request_too_large',
    });
  });

  it('is refused when it sends a blob without its length', async () => {
    const { id } = await agent.client.openImport({});
    const head = `PUT /v1/imports/${id}/blobs/${digest} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer ${agent.token}\r\n`;

    expect(await speak(`${head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`)).toMatch(/Content-Length/);
  });

  it('is closed with 408 when its head does not come', async () => {
    expect(await speak('GET /healthz HTTP/1.1\r\nHost: ')).toMatch(/^HTTP\/1.1 408 /);
  });

  it('is closed when nothing comes at all', async () => {
    expect(await speak('')).toMatch(/^HTTP\/1.1 408 |^$/);
  });

  it('is answered as JSON when it is no HTTP', async () => {
    expect(await speak('hello\r\n\r\n')).toMatch(/^HTTP\/1.1 400 [\s\S]*"code":"request_invalid"/);
  });

  it('is given up when its body stops coming, and what came is kept', async () => {
    const store = createMemoryStore();
    await using slow = await startAgent(store, { limits: { idleMs: 300 } });
    const { id } = await slow.client.openImport({});
    const blob = randomBlob(100_000);
    const socket = connect(Number(slow.url.port), '127.0.0.1');
    socket.write(
      `PUT /v1/imports/${id}/blobs/${blob.descriptor.digest} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${slow.token}\r\nContent-Length: 100000\r\n\r\n`,
    );
    socket.write(blob.bytes.subarray(0, 40_000));

    const answer = await new Promise((resolve) => socket.once('data', (chunk) => resolve(String(chunk))));

    expect(answer).toMatch(/no byte of the request came/);
    expect(store.contents().partials.get(blob.descriptor.digest)).toBe(40_000);
    socket.destroy();
  });
});

describe('the log', () => {
  it('holds no token, whatever was asked', async () => {
    await ask(agent, '/v1/node');
    await ask(agent, `/v1/images/${agent.token}`, {
      method: 'DELETE',
      headers: { authorization: 'Bearer nope' },
    });

    expect(agent.log.length).toBeGreaterThan(0);
    expect(agent.log.join('')).not.toContain(agent.token);
    for (const line of agent.log) expect(() => JSON.parse(line)).not.toThrow();
  });
});
