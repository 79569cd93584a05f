import { describe, expect, it } from 'vitest';
import { nodeInfoSchema } from '../../src/agent-api/schemas.ts';
import { createMemoryStore, type MemoryStore } from '../../src/store/memory/memory-store.ts';
import { chunksOf, imageOf, randomBlob, type TestImage } from '../support/blobs.ts';
import { smallArchive } from './archives.ts';
import { ask } from './http.ts';
import { startAgent, type TestAgent } from './test-agent.ts';

const amd64 = { os: 'linux', architecture: 'amd64' };

function memory(): MemoryStore {
  return createMemoryStore({ platforms: [amd64] });
}

async function importImage(agent: TestAgent, image: TestImage, ...names: string[]): Promise<void> {
  const target = await agent.client.openImport({
    images: names.map((name) => ({ name, target: image.target })),
  });
  const order = [image.manifest, image.config, ...image.layers];
  for (const { descriptor, bytes } of order) {
    await target.put({ digest: descriptor.digest, offset: 0, size: bytes.byteLength }, () => chunksOf(bytes));
  }
  const events = await Array.fromAsync(target.events());
  expect(events.at(-1)).toMatchObject({ type: 'done', images: names.map(() => ({ state: 'ready' })) });
}

describe('GET /v1/node', () => {
  it('describes the node, its store and what the agent can do', async () => {
    await using agent = await startAgent(memory());

    expect(nodeInfoSchema.parse(await agent.client.describe())).toMatchObject({
      name: 'node-1',
      platforms: ['linux/amd64'],
      store: { kind: 'memory', namespace: 'k8s.io' },
      features: [
        ...['archive-import', 'fetch', 'fetch-relay', 'microk8s', 'peers-check', 'registry', 'relay'],
        'zstd',
      ],
    });
  });
});

describe('/v1/images', () => {
  it('lists each name once, with size and platforms, without the names by digest that came beside', async () => {
    await using agent = await startAgent(memory());
    const image = imageOf(['one', 'two']);
    await importImage(agent, image, 'app:1', 'app:2');
    const size = image.blobs.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);

    expect(await agent.client.images()).toMatchObject([
      { name: 'docker.io/library/app:1', digest: image.target.digest, size, platforms: ['linux/amd64'] },
      { name: 'docker.io/library/app:2', digest: image.target.digest, size },
    ]);
  });

  it('removes a name, and with the last tag the name by digest and the content', async () => {
    const store = memory();
    await using agent = await startAgent(store);
    await importImage(agent, imageOf(['one']), 'app:1', 'app:2');

    expect(await agent.client.removeImage('app:1')).toBe(true);
    expect((await store.listImages()).map(({ name }) => name)).toContainEqual(
      expect.stringContaining('app@sha256'),
    );
    expect(await agent.client.removeImage('docker.io/library/app:2')).toBe(true);

    expect(await store.listImages()).toEqual([]);
    expect(store.contents().blobs).toEqual([]);
    expect(await agent.client.removeImage('app:2')).toBe(false);
  });

  it('removes a name whose slashes are written out', async () => {
    await using agent = await startAgent(memory());
    await importImage(agent, imageOf(['one']), 'registry.example:5000/team/app:1');

    const answer = await ask(agent, '/v1/images/registry.example:5000/team/app:1', { method: 'DELETE' });

    expect(JSON.parse(answer.text)).toEqual({ removed: true, name: 'registry.example:5000/team/app:1' });
  });
});

describe('/v1/blobs', () => {
  it('tells which of these are here', async () => {
    await using agent = await startAgent(memory());
    const [here, absent] = [randomBlob(10), randomBlob(10)];
    const target = await agent.client.openImport({});
    await target.put({ digest: here.descriptor.digest, offset: 0, size: 10 }, () => chunksOf(here.bytes));

    const have = await agent.client.have([here.descriptor.digest, absent.descriptor.digest]);

    expect([...have]).toEqual([here.descriptor.digest]);
  });

  it.each([
    [undefined, 200, 0, 1000, undefined],
    ['bytes=0-9', 206, 0, 10, 'bytes 0-9/1000'],
    ['bytes=990-', 206, 990, 1000, 'bytes 990-999/1000'],
    ['bytes=990-5000', 206, 990, 1000, 'bytes 990-999/1000'],
    ['bytes=-10', 206, 990, 1000, 'bytes 990-999/1000'],
    ['bytes=-5000', 206, 0, 1000, 'bytes 0-999/1000'],
    ['bytes=1000-', 416, 0, 0, 'bytes */1000'],
    ['bytes=-0', 416, 0, 0, 'bytes */1000'],
    ['bytes=9-0', 200, 0, 1000, undefined],
    ['bytes=0-1,5-6', 200, 0, 1000, undefined],
    ['lines=0-1', 200, 0, 1000, undefined],
  ] as const)('gives content for Range %s: %i', async (range, status, start, end, contentRange) => {
    await using agent = await startAgent(memory());
    const content = Array.from({ length: 500 }, (_, i) =>
      String.fromCharCode(97 + (i % 26), 65 + (i % 26)),
    ).join('');
    const { createHash } = await import('node:crypto');
    const digest = `sha256:${createHash('sha256').update(content).digest('hex')}` as never;
    const target = await agent.client.openImport({});
    await target.put({ digest, offset: 0, size: 1000 }, () => chunksOf(Buffer.from(content)));
    const headers = { authorization: `Bearer ${agent.token}`, ...(range && { range }) };

    const answer = await ask(agent, `/v1/blobs/${digest}`, { headers });
    const head = await ask(agent, `/v1/blobs/${digest}`, { method: 'HEAD', headers });

    expect(answer.status).toBe(status);
    expect(answer.text).toBe(content.slice(start, end));
    expect(answer.headers['content-range']).toBe(contentRange);
    expect(head).toMatchObject({ status, text: '' });
    expect(head.headers['content-length']).toBe(String(end - start));
  });
});

describe('/metrics', () => {
  it('counts imports, bytes, blobs and requests by route', async () => {
    await using agent = await startAgent(memory());
    await importImage(agent, imageOf(['one']), 'app:1');

    const { text } = await ask(agent, '/metrics');

    expect(text).toMatch(/imgctl_imports_total\{outcome="ready"\} 1/);
    expect(text).toMatch(/imgctl_blobs_received_total 3/);
    expect(text).toMatch(/imgctl_received_bytes_total [1-9]/);
    expect(text).toMatch(/imgctl_imports_active 0/);
    expect(text).toMatch(/method="PUT",route="\/v1\/imports\/:id\/blobs\/:digest",status="200"/);
  });
});

describe('/readyz', () => {
  it('is 503 while the store does not answer, in bounded time', async () => {
    let hangs = false;
    const info = () => (hangs ? new Promise<void>(() => {}) : Promise.resolve());
    await using agent = await startAgent(createMemoryStore({ faults: { info } }));
    hangs = true;

    const answer = await ask(agent, '/readyz', { headers: {} });

    expect(answer).toMatchObject({ status: 503, code: 'store_unreachable' });
    expect((await ask(agent, '/healthz', { headers: {} })).status).toBe(200);
  });
});

describe('the log of an import', () => {
  it('is one line that says who, what, how many bytes, the outcome and the time', async () => {
    await using agent = await startAgent(memory());
    await importImage(agent, imageOf(['one']), 'app:1');
    await ask(agent, '/v1/images/import', { method: 'POST', body: smallArchive('app:2') });

    const lines = agent.log.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'import ended');

    expect(lines).toMatchObject([
      {
        who: expect.stringContaining('127.0.0.1'),
        images: [{ name: 'docker.io/library/app:1', state: 'ready' }],
        receivedBytes: expect.any(Number),
        outcome: 'ready',
        durationMs: expect.any(Number),
      },
      { images: [{ name: 'docker.io/library/app:2' }], receivedBytes: smallArchive('app:2').byteLength },
    ]);
  });
});

describe("MicroK8s's endpoint", () => {
  const path = '/cluster/api/v2.0/image/import';

  it('imports an archive for its own client and answers {"status":"OK"}', async () => {
    await using agent = await startAgent(memory());
    const headers = { 'x-microk8s-callback-token': agent.token };

    const answer = await ask(agent, path, { method: 'POST', headers, body: smallArchive() });

    expect(answer).toMatchObject({ status: 200, text: '{"status":"OK"}' });
    expect(await agent.client.images()).toMatchObject([{ name: 'docker.io/library/app:1' }]);
  });

  it('answers 401 to another token, 404 to another method and 500 to what is no archive', async () => {
    await using agent = await startAgent(memory());
    const right = { 'x-microk8s-callback-token': agent.token };
    const wrong = { 'x-microk8s-callback-token': 'wrong' };

    const statuses = [
      await ask(agent, path, { method: 'POST', headers: wrong, body: smallArchive() }),
      await ask(agent, path, { method: 'POST', headers: {}, body: smallArchive() }),
      await ask(agent, path, { headers: {} }),
      await ask(agent, path, { method: 'POST', headers: right, body: 'no archive' }),
    ];

    expect(statuses.map(({ status }) => status)).toEqual([401, 401, 404, 500]);
    expect(JSON.parse(statuses[3]?.text ?? '').error).toMatch(/^Failed to import the image: /);
  });

  it('tells what is wrong with an image to a client that first sends everything', async () => {
    await using agent = await startAgent(
      createMemoryStore({ platforms: [{ os: 'linux', architecture: 's390x' }] }),
    );
    const headers = { 'x-microk8s-callback-token': agent.token };

    const answer = await ask(agent, path, { method: 'POST', headers, body: smallArchive() });

    expect(answer.status).toBe(500);
    expect(JSON.parse(answer.text).error).toMatch(/Failed to import the image: .*s390x/);
  });
});
