import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { publishNew, replaceFiles } from '../../src/trust/publish-files.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'imgctl-test-publish-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const files = ['a', 'b', 'c'].map((name) => ({ name, text: `new ${name}`, secret: name === 'a' }));

describe('files that appear together', () => {
  it('are all there, with the modes that they were made with', async () => {
    await publishNew(dir, files);
    expect((await readdir(dir)).sort()).toEqual(['a', 'b', 'c']);
    const modes = await Promise.all(
      ['a', 'b'].map(async (name) => (await stat(join(dir, name))).mode & 0o777),
    );
    expect(modes).toEqual([0o600, 0o644]);
  });

  it('are none of them there when the last one is taken, and what took its place stays', async () => {
    await writeFile(join(dir, 'c'), 'old');
    await expect(publishNew(dir, files)).rejects.toMatchObject({ code: 'EEXIST' });
    expect(await readdir(dir)).toEqual(['c']);
    expect(await readFile(join(dir, 'c'), 'utf8')).toBe('old');
  });

  it('do not follow a link that somebody put in their place', async () => {
    const { symlink } = await import('node:fs/promises');
    await symlink(join(dir, 'elsewhere'), join(dir, 'a'));
    await expect(publishNew(dir, files)).rejects.toMatchObject({ code: 'EEXIST' });
    expect(await readdir(dir)).toEqual(['a']);
  });
});

describe('files that take the place of others', () => {
  it('leave no draft behind when one cannot', async () => {
    await mkdir(join(dir, 'b'));
    await expect(replaceFiles(dir, files)).rejects.toBeDefined();
    expect((await readdir(dir)).sort()).toEqual(['a', 'b']);
  });
});
