import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { initTrust } from '../../src/trust/init.ts';
import { rotateToken } from '../../src/trust/rotate-token.ts';
import { readAcceptedTokens, readToken } from '../../src/trust/token-file.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'imgctl-test-tokens-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const path = (name: string) => join(dir, name);
const read = (name: string) => readFile(path(name), 'utf8');

describe('a token that is rotated', () => {
  const now = new Date('2030-01-01T00:00:00Z');
  const dayMs = 86_400_000;

  it('gives way to a new one, and is kept beside it with its end, both for their owner alone', async () => {
    await initTrust({ dir, hosts: [] });
    const old = await readToken(path('token'));
    const { until, dropped } = await rotateToken({ dir, keepMs: dayMs, now });
    expect([until, dropped]).toEqual([new Date('2030-01-02T00:00:00Z'), undefined]);
    expect(await read('token.previous')).toBe(`${old}\n2030-01-02T00:00:00.000Z\n`);
    expect(await read('token')).toMatch(/^[\w-]{43}\n$/);
    const fresh = await readToken(path('token'));
    expect(await readAcceptedTokens(path('token'))).toEqual([{ token: fresh }, { token: old, until }]);
    for (const name of ['token', 'token.previous']) expect((await stat(path(name))).mode & 0o777).toBe(0o600);
    expect((await readdir(dir)).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('twice within its time says that the first one counts no more', async () => {
    await writeFile(path('token'), 'the-first-token-of-all\n');
    const { until } = await rotateToken({ dir, keepMs: dayMs, now });
    expect(await rotateToken({ dir, keepMs: dayMs, now: new Date(now.getTime() + 1000) })).toMatchObject({
      dropped: until,
    });
    expect(await read('token.previous')).not.toContain('the-first-token-of-all');
  });

  it('twice after its time says nothing', async () => {
    await writeFile(path('token'), 'the-first-token-of-all\n');
    await rotateToken({ dir, keepMs: 0, now });
    expect(await rotateToken({ dir, keepMs: 0, now })).toEqual({ until: now, dropped: undefined });
  });

  it('is not lost when only the first of the two files was written', async () => {
    await writeFile(path('token'), 'the-first-token-of-all\n');
    await writeFile(path('token.previous'), 'the-first-token-of-all\n2030-01-02T00:00:00.000Z\n');
    expect(await readAcceptedTokens(path('token'))).toEqual([{ token: 'the-first-token-of-all' }]);
  });

  it('is said to be missing where there is none', async () => {
    await expect(rotateToken({ dir, keepMs: 0 })).rejects.toMatchObject({
      code: 'token_missing',
      message: expect.stringContaining('does not exist'),
      hint: expect.stringContaining('imgctl init'),
    });
  });

  it('stays as it is where nothing can be written', async () => {
    await writeFile(path('token'), 'the-first-token-of-all\n');
    await mkdir(path('token.previous'));
    await expect(rotateToken({ dir, keepMs: 0 })).rejects.toMatchObject({ code: 'token_missing' });
    expect(await readToken(path('token'))).toBe('the-first-token-of-all');
  });
});

describe('the tokens that agents accept', () => {
  const accepted = async (previous: string) => {
    await writeFile(path('token'), 'the-token\n');
    await writeFile(path('token.previous'), previous);
    const warnings: string[] = [];
    const tokens = await readAcceptedTokens(path('token'), (message) => warnings.push(message));
    return { tokens, warnings };
  };

  it.each([
    ['old\n2030-01-01T00:00:00Z\n', '2030-01-01T00:00:00.000Z'],
    ['old\r\n2030-01-01T02:00:00.5+02:00', '2030-01-01T00:00:00.500Z'],
  ])('are the current one, and the one before it until its end: %j', async (text, until) => {
    expect(await accepted(text)).toEqual({
      tokens: [{ token: 'the-token' }, { token: 'old', until: new Date(until) }],
      warnings: [],
    });
  });

  it('have the old one among them also after its end: whoever asks has the clock', async () => {
    expect((await accepted('old\n2001-01-01T00:00:00Z\n')).tokens).toHaveLength(2);
  });

  it.each([
    ['without its end', 'old\n'],
    ['with an end that is no time', 'old\ntomorrow\n'],
    ['with an end in nobody knows which zone', 'old\n2030-01-01T00:00:00\n'],
    ['with an end that never comes', 'old\n2030-13-01T00:00:00Z\n'],
    ['with more below', 'old\n2030-01-01T00:00:00Z\nmore\n'],
    ['with a space in it', 'o l d\n2030-01-01T00:00:00Z\n'],
    ['empty', ''],
  ])('are one, and a warning names the file, where the old one is %s', async (_, text) => {
    const { tokens, warnings } = await accepted(text);
    expect(tokens).toEqual([{ token: 'the-token' }]);
    expect(warnings).toEqual([expect.stringContaining(path('token.previous'))]);
  });

  it('are one, and a warning says why, where the old one cannot be read', async () => {
    await writeFile(path('token'), 'the-token\n');
    await mkdir(path('token.previous'));
    const warnings: string[] = [];
    await readAcceptedTokens(path('token'), (message) => warnings.push(message));
    expect(warnings).toEqual([expect.stringContaining('it is a directory')]);
  });
});

describe('a token file', () => {
  it.each([
    ['/dev/zero', 'it is far too large'],
    ['/dev/null', 'is empty'],
    ['/proc/self', 'it is a directory'],
    ['/dev/null/token', 'what should be its directory is a file'],
  ])('that is none is refused at once: %s', async (file, why) => {
    await expect(readToken(file)).rejects.toMatchObject({
      code: 'token_missing',
      message: expect.stringContaining(why),
    });
  });
});
