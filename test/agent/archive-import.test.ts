import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMemoryStore } from '../../src/store/memory/memory-store.ts';
import { imageOf } from '../support/blobs.ts';
import { ociArchive, smallArchive } from './archives.ts';
import { ask } from './http.ts';
import { startAgent, type TestAgent } from './test-agent.ts';

const run = promisify(execFile);
const amd64 = { os: 'linux', architecture: 'amd64' };

function eventsOf(
  text: string,
): { type: string; images?: { name: string; state: string }[]; error?: { code: string } }[] {
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

describe('a whole archive in one request', () => {
  it.each([
    ['plain', (archive: Buffer) => archive],
    ['gzip', gzipSync],
    ['zstd', zstdCompressSync],
  ])('is imported, %s, with the events up to the terminal one', async (_name, compress) => {
    await using agent = await startAgent(createMemoryStore({ platforms: [amd64] }));

    const answer = await ask(agent, '/v1/images/import', { method: 'POST', body: compress(smallArchive()) });

    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('application/x-ndjson');
    expect(eventsOf(answer.text).at(-1)).toMatchObject({
      type: 'done',
      images: [{ name: 'docker.io/library/app:1', state: 'ready' }],
    });
  });

  it('gets the name that ?tag gives it', async () => {
    const store = createMemoryStore({ platforms: [amd64] });
    await using agent = await startAgent(store);

    await ask(agent, '/v1/images/import?tag=other:2&pin&unpack=false', {
      method: 'POST',
      body: smallArchive(),
    });

    const images = await agent.client.images();
    expect(images).toMatchObject([{ name: 'docker.io/library/other:2', pinned: true }]);
    expect(store.contents().snapshots).toEqual([]);
  });

  it('that is no archive is refused with a status, so that curl -f fails', async () => {
    await using agent = await startAgent(createMemoryStore());

    const answer = await ask(agent, '/v1/images/import', {
      method: 'POST',
      body: 'hello, this is no archive',
    });

    expect(answer).toMatchObject({ status: 422, code: 'archive_unreadable' });
  });

  it.each(['platform=what%20ever/', 'tag=UPPER', 'pin=perhaps', 'tag=a&tag=b'])(
    'is refused before it is read when a parameter is wrong: %s',
    async (query) => {
      await using agent = await startAgent(createMemoryStore());

      const answer = await ask(agent, `/v1/images/import?${query}`, { method: 'POST', body: smallArchive() });

      expect(answer.status).toBe(400);
    },
  );

  it('that was cut off ends in an error, and names nothing', async () => {
    const store = createMemoryStore({ platforms: [amd64] });
    await using agent = await startAgent(store);
    const archive = ociArchive(imageOf([Buffer.alloc(1_000_000, 1), 'top']), 'app:1');

    const answer = await ask(agent, '/v1/images/import', {
      method: 'POST',
      body: archive.subarray(0, 900_000),
    });

    const code = answer.code ?? eventsOf(answer.text).at(-1)?.error?.code;
    expect(code).toBe('archive_truncated');
    expect(await store.listImages()).toEqual([]);
  });
});

describe('curl', () => {
  let directory: string;
  let agent: TestAgent;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'imgctl-curl-'));
    agent = await startAgent(createMemoryStore({ platforms: [amd64] }));
    // Larger than what curl sends before it waits for 100 Continue, and than what sockets buffer
    await writeFile(join(directory, 'app.tar'), ociArchive(imageOf([Buffer.alloc(20_000_000, 3)]), 'app:1'));
    await writeFile(join(directory, 'zeros'), Buffer.alloc(20_000_000));
  });
  afterAll(async () => {
    await agent[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  });

  const curl = (...args: string[]) => run('curl', ['-sS', '--noproxy', '*', ...args], { cwd: directory });
  const bearer = () => ['-H', `Authorization: Bearer ${agent.token}`];
  const url = (query = '') => new URL(`/v1/images/import${query}`, agent.url).href;

  it('-T imports an archive, its body asked for by 100 Continue', async () => {
    const { stdout } = await curl('-fT', 'app.tar', ...bearer(), '-H', 'Expect: 100-continue', url());

    expect(eventsOf(stdout).at(-1)).toMatchObject({ type: 'done', images: [{ state: 'ready' }] });
  });

  it('-T from a pipe imports an archive in chunks', async () => {
    const { stdout } = await promisify(execFile)('sh', [
      '-c',
      `curl -sSf --noproxy '*' -T - -H 'Authorization: Bearer ${agent.token}' ${url()} < ${join(directory, 'app.tar')}`,
    ]);

    expect(eventsOf(stdout).at(-1)).toMatchObject({ type: 'done', images: [{ state: 'ready' }] });
  });

  it('--data-binary imports an archive although it calls it a form', async () => {
    const { stdout } = await curl('-f', '-X', 'POST', '--data-binary', '@app.tar', ...bearer(), url());

    expect(eventsOf(stdout).at(-1)).toMatchObject({ type: 'done', images: [{ state: 'ready' }] });
  });

  it('without the token is answered 401 before it sends its body', async () => {
    const { stdout } = await curl(
      '-T',
      'app.tar',
      '-w',
      '%{http_code} %{size_upload}',
      '-o',
      'answer',
      url(),
    );

    expect(stdout).toBe('401 0');
  });

  it('reads why its archive is refused although it is still sending', async () => {
    const { stdout } = await curl('-T', 'zeros', ...bearer(), '-H', 'Expect:', '-w', '\n%{http_code}', url());

    const [body = '', status] = stdout.split('\n');
    expect(status).toBe('422');
    expect(JSON.parse(body).error.code).toMatch(/^archive_/);
  });
});
