import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isLoopback, parseListen } from '../../src/agent/listen.ts';
import { type AgentSettings, runAgent } from '../../src/agent/main.ts';
import { findPortHolder, isMicrok8s } from '../../src/agent/port-holder.ts';
import { createMemoryStore } from '../../src/store/memory/memory-store.ts';
import { ask } from './http.ts';
import { startAgent } from './test-agent.ts';

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'imgctl-listening-'));
});
afterEach(() => rm(dataDir, { recursive: true }));

/** Starts an agent that is expected not to start, and answers its error. */
async function failure(settings: Partial<AgentSettings>): Promise<unknown> {
  const never = new AbortController();
  return runAgent(
    { listen: ['127.0.0.1:0'], namespace: 'k8s.io', insecureHttp: false, dataDir, ...settings },
    {
      version: '0.0.0',
      signal: never.signal,
      ...(settings.store === undefined && { store: createMemoryStore() }),
      env: {},
      logTo: { write: () => {} },
      onReady: () => never.abort(),
    },
  ).then(
    () => 'it started',
    (error) => error,
  );
}

describe('an address to listen on', () => {
  it.each([
    ['127.0.0.1:25001', { host: '127.0.0.1', port: 25001 }],
    ['127.0.0.1', { host: '127.0.0.1', port: 25000 }],
    ['localhost:1', { host: '127.0.0.1', port: 1 }],
    ['[::1]:25000', { host: '::1', port: 25000 }],
    ['[fe80::1%eth0]', { host: 'fe80::1%eth0', port: 25000 }],
    [':8080', { host: '::', port: 8080 }],
    ['node-1.example:0', { host: 'node-1.example', port: 0 }],
  ])('%s is %j', (text, address) => {
    expect(parseListen(text)).toEqual(address);
  });

  it.each(['', '::1', '1.2.3.4:70000', '[::1', '[nonsense]:1', 'http://x', 'a b:1', 'x:y', 'user@x:1'])(
    '%j is not one',
    (text) => {
      expect(() => parseListen(text)).toThrow(expect.objectContaining({ code: 'usage' }));
    },
  );

  it.each(['127.0.0.1', '127.255.0.1', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1'])(
    '%s is loopback',
    (host) => {
      expect(isLoopback(host)).toBe(true);
    },
  );

  it.each(['0.0.0.0', '::', '10.0.0.1', '1.127.0.0', '::2', '::11', 'localhost.example', '::ffff:10.0.0.1'])(
    '%s is not loopback',
    (host) => {
      expect(isLoopback(host)).toBe(false);
    },
  );

  it('beyond loopback needs consent to plain HTTP', async () => {
    expect(await failure({ listen: ['127.0.0.1:0', '0.0.0.0:0'] })).toMatchObject({
      code: 'listen_insecure',
      hint: expect.stringContaining('--insecure-http'),
    });
    expect(await failure({ listen: ['0.0.0.0:0'], insecureHttp: true })).toBe('it started');
  });

  it('may be several, all of one agent', async () => {
    await using agent = await startAgent(createMemoryStore(), {
      settings: { listen: ['127.0.0.1:0', '127.0.0.2:0', '[::1]:0'] },
    });
    const { id } = await agent.client.openImport({});

    for (const address of agent.ready.addresses) {
      const answer = await ask(agent, new URL(`/v1/imports/${id}`, `http://${address}`).href);
      expect(answer.status).toBe(200);
    }
  });

  it('that this machine does not have is refused', async () => {
    expect(await failure({ listen: ['192.0.2.1:0'], insecureHttp: true })).toMatchObject({
      code: 'usage',
      message: expect.stringContaining('this machine has no such address'),
    });
  });
});

describe('a port that is taken', () => {
  it('is told with who holds it, and with another to use', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const { port } = holder.address() as { port: number };

    const error = await failure({ listen: [`127.0.0.1:${port}`] });

    expect(error).toMatchObject({
      code: 'address_in_use',
      message: expect.stringMatching(new RegExp(`127.0.0.1:${port} is taken by process ${process.pid}, `)),
      hint: expect.stringContaining(`--listen 127.0.0.1:${port + 1}`),
      context: { pid: process.pid },
    });
    holder.close();
  });

  it("names MicroK8s's cluster agent", async () => {
    const program =
      'const s = require("net").createServer().listen(0, "::", () => console.log(s.address().port))';
    const child = spawn(process.execPath, ['-e', program], {
      argv0: '/snap/microk8s/current/bin/cluster-agent',
    });
    try {
      const [port] = await once(child.stdout, 'data');

      const holder = await findPortHolder(Number(port));

      expect(holder?.pid).toBe(child.pid);
      expect(holder && isMicrok8s(holder)).toBe(true);
      expect(await failure({ listen: [`127.0.0.1:${Number(port)}`] })).toMatchObject({
        message: expect.stringContaining("taken by MicroK8s's own cluster agent"),
      });
    } finally {
      child.kill();
    }
  });

  it('is told without a name where /proc does not say', async () => {
    expect(await findPortHolder(1, dataDir)).toBeUndefined();
  });
});

describe('the token', () => {
  it('is made on first start, readable by its owner only, and kept', async () => {
    const path = join(dataDir, 'deep', 'token');
    const settings = { dataDir: join(dataDir, 'deep') };

    expect(await failure(settings)).toBe('it started');
    const made = await readFile(path, 'utf8');
    expect(await failure(settings)).toBe('it started');

    expect(made.trim().length).toBeGreaterThanOrEqual(43);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readFile(path, 'utf8')).toBe(made);
  });

  it('is made once by two agents that start together', async () => {
    const agents = await Promise.all(
      [0, 1, 2, 3].map(() => startAgent(createMemoryStore(), { settings: { dataDir } })),
    );

    expect(new Set(agents.map(({ token }) => token)).size).toBe(1);
    for (const agent of agents) await agent.stop();
  });

  it('comes from the file that is named, and the start warns where everybody may read it', async () => {
    const tokenFile = join(dataDir, 'shared');
    await writeFile(tokenFile, 'a-token-of-the-cluster\n');
    await chmod(tokenFile, 0o644);
    await using agent = await startAgent(createMemoryStore(), { settings: { tokenFile } });

    const headers = { authorization: 'Bearer a-token-of-the-cluster' };
    expect((await ask(agent, '/v1/node', { headers })).status).toBe(200);
    expect(agent.log.join('')).toContain('chmod 600');
    expect(agent.log.join('')).not.toContain('a-token-of-the-cluster');
  });

  it.each([
    ['', 'is empty'],
    ['\n', 'is empty'],
    ['short', '5 characters'],
    ['two words that are long enough', 'is not a token'],
  ])('is not %j', async (content, why) => {
    const tokenFile = join(dataDir, 'token-file');
    await writeFile(tokenFile, content);

    expect(await failure({ tokenFile })).toMatchObject({
      code: 'token_missing',
      message: expect.stringContaining(why),
    });
  });

  it('that is named and not there is an error, and none is made', async () => {
    const tokenFile = join(dataDir, 'absent');

    expect(await failure({ tokenFile })).toMatchObject({ code: 'token_missing' });
    await expect(stat(tokenFile)).rejects.toThrow('ENOENT');
  });
});

describe('the store', () => {
  it.each(['nonsense', 'oci:', 'oci', 'docker:/run/docker.sock'])('is not %j', async (store) => {
    expect(await failure({ store })).toMatchObject({
      code: 'usage',
      hint: expect.stringContaining('oci:DIR'),
    });
  });

  it('can be a directory', async () => {
    expect(await failure({ store: `oci:${join(dataDir, 'images')}` })).toBe('it started');
    expect(await readFile(join(dataDir, 'images', 'oci-layout'), 'utf8')).toContain('1.0.0');
  });
});
