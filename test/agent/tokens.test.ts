import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createMemoryStore } from '../../src/store/memory/memory-store.ts';
import { ask } from './http.ts';
import { startAgent, type TestAgent } from './test-agent.ts';

const [first, second] = ['the-first-token-of-all', 'the-second-token-of-all'];

let dir: string;
let tokenFile: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'imgctl-tokens-'));
  tokenFile = join(dir, 'token');
  await writeFile(tokenFile, first, { mode: 0o600 });
});
afterEach(() => rm(dir, { recursive: true }));

async function statusOf(agent: TestAgent, token: string): Promise<number> {
  return (await ask(agent, '/v1/node', { headers: { authorization: `Bearer ${token}` } })).status;
}

async function rotate(until: Date): Promise<void> {
  await writeFile(`${tokenFile}.previous`, `${first}\n${until.toISOString()}\n`);
  await writeFile(tokenFile, second);
}

describe('a token that is changed while the agent runs', () => {
  it('counts at once, and the old one until its end', async () => {
    await using agent = await startAgent(createMemoryStore(), { settings: { tokenFile } });
    expect(await statusOf(agent, second)).toBe(401);

    await rotate(new Date(Date.now() + 3_600_000));

    await expect.poll(() => statusOf(agent, second)).toBe(200);
    expect(await statusOf(agent, first)).toBe(200);
    // Its end comes while the agent runs, and no file changes then
    await rotate(new Date(Date.now() + 1_500));
    await expect.poll(() => statusOf(agent, first)).toBe(401);
    expect(await statusOf(agent, second)).toBe(200);
  });

  it('tells whoever shows the old one that it has ended', async () => {
    const until = new Date(Date.now() - 60_000);
    await rotate(until);
    await using agent = await startAgent(createMemoryStore(), { settings: { tokenFile } });

    const answer = await ask(agent, '/v1/node', { headers: { authorization: `Bearer ${first}` } });

    expect(answer).toMatchObject({ status: 401, code: 'node_unauthorized' });
    expect(answer.text).toContain(`ended on ${until.toISOString()}`);
  });

  it('is read again after a pipe stood in its place, which nobody may ever write to', async () => {
    await using agent = await startAgent(createMemoryStore(), { settings: { tokenFile } });

    await rm(tokenFile);
    await promisify(execFile)('mkfifo', [tokenFile]);
    await expect.poll(() => agent.log.join('')).toContain('neither a file nor a directory');
    expect(await statusOf(agent, first)).toBe(200);
    await rm(tokenFile);
    await writeFile(tokenFile, second);
    await expect.poll(() => statusOf(agent, second)).toBe(200);
  });

  it('stays what it was while the file is no token, and the log says why, without it', async () => {
    await using agent = await startAgent(createMemoryStore(), { settings: { tokenFile } });

    await writeFile(tokenFile, '');
    await expect.poll(() => agent.log.join('')).toContain('is empty');
    expect(await statusOf(agent, first)).toBe(200);
    await writeFile(tokenFile, second);
    await expect.poll(() => statusOf(agent, second)).toBe(200);

    expect(await statusOf(agent, first)).toBe(401);
    expect(agent.log.join('')).toContain('token read again');
    expect(agent.log.join('')).not.toMatch(new RegExp(`${first}|${second}`));
  });
});
