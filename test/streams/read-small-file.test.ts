import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readSmallFile, whyUnreadable } from '../../src/streams/read-small-file.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'imgctl-small-'));
});
afterEach(() => rm(dir, { recursive: true }));

async function pipe(): Promise<string> {
  const path = join(dir, 'pipe');
  await promisify(execFile)('mkfifo', [path]);
  return path;
}

describe('a small file', () => {
  it('is read whole, and may be empty', async () => {
    await writeFile(join(dir, 'text'), 'a\nb\n');
    await writeFile(join(dir, 'empty'), '');
    expect(await readSmallFile(join(dir, 'text'))).toBe('a\nb\n');
    expect(await readSmallFile(join(dir, 'empty'))).toBe('');
  });

  it('is refused where it has no end', async () => {
    await expect(readSmallFile('/dev/zero')).rejects.toMatchObject({ code: 'EFBIG' });
  });

  it('may be a pipe whose writer takes its time', async () => {
    const path = await pipe();
    const writer = spawn('sh', ['-c', `sleep 0.3; { printf a; sleep 0.3; printf b; } > ${path}`]);
    expect(await readSmallFile(path)).toBe('ab');
    writer.kill();
  });

  it('is given up where it is a pipe without a writer, in place of blocking the process', async () => {
    const error = await readSmallFile(await pipe()).catch((thrown: unknown) => thrown);
    expect(whyUnreadable(error)).toBe('it is a pipe, and nobody writes to it');
  }, 15_000);
});
