import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { openArchive } from '../../src/archive/archive.ts';
import { inChunks, ociLayout, randomImage, tarOf } from '../support/archives.ts';
import { failure, fileWith, folder, listing, openPipe, readAll, trueDigest } from './opened.ts';

const app = await randomImage({ seed: 'input', layerSize: 200_000 });
const name = 'docker.io/library/app:1';
const tar = await tarOf(ociLayout([{ image: app, name }]));
const path = fileWith(tar);
const emptyFolder = () => mkdtempSync(join(folder, 'spool-'));
const isLinux = process.platform === 'linux';

/** What this process has open in a folder, names gone or not. */
function openIn(directory: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      return target.startsWith(directory) ? [target] : [];
    } catch {
      return [];
    }
  });
}

describe('a regular file', () => {
  it('is read in place, never copied', async () => {
    const spoolDir = emptyFolder();
    await using archive = await openArchive({ kind: 'path', path }, { spoolDir });
    expect(archive).toMatchObject({ label: path, bytes: tar.length, compressions: [], spooled: false });
    expect(readdirSync(spoolDir)).toEqual([]);
  });

  it('on a shared descriptor is read by position, and the descriptor stays open and where it was', async () => {
    const fd = openSync(path, 'r');
    try {
      {
        await using archive = await openArchive({ kind: 'fd', fd, label: 'standard input' });
        expect(listing(archive)).toEqual([[name, app.target.digest]]);
        for (const { descriptor } of app.blobs)
          expect(await trueDigest(archive, descriptor.digest)).toBe(descriptor.digest);
      }
      const first = Buffer.alloc(10);
      readSync(fd, first, 0, 10, null);
      expect(first.equals(tar.subarray(0, 10))).toBe(true);
    } finally {
      closeSync(fd);
    }
  });

  it.runIf(isLinux)('begins where the shell has read up to', async () => {
    const line = Buffer.from('a line that somebody else read\n');
    const fd = openSync(fileWith(Buffer.concat([line, tar])), 'r');
    try {
      readSync(fd, Buffer.alloc(line.length), 0, line.length, null);
      await using archive = await openArchive({ kind: 'fd', fd, label: 'standard input' });
      expect(await trueDigest(archive, app.target.digest)).toBe(app.target.digest);
    } finally {
      closeSync(fd);
    }
  });

  it('is closed when the archive is', async () => {
    const archive = await openArchive({ kind: 'path', path });
    await archive[Symbol.asyncDispose]();
    await archive[Symbol.asyncDispose]();
    if (isLinux) expect(openIn(path)).toEqual([]);
    await expect(readAll(archive, app.target.digest)).rejects.toMatchObject({ code: 'archive_unreadable' });
  });

  it.runIf(isLinux)('is closed when it is no archive', async () => {
    const wrong = fileWith(Buffer.from('wrong'));
    await failure(openArchive({ kind: 'path', path: wrong }));
    expect(openIn(wrong)).toEqual([]);
  });

  it('stops reading a blob when it is told to', async () => {
    await using archive = await openArchive({ kind: 'path', path });
    const stop = new AbortController();
    const reading = archive
      .read(app.layers[0]?.descriptor.digest ?? app.target.digest, 0, stop.signal)
      [Symbol.asyncIterator]();
    stop.abort(new Error('enough'));
    await expect(reading.next()).rejects.toThrow('enough');
  });

  it('says which blob it does not have', async () => {
    await using archive = await openArchive({ kind: 'path', path });
    const other = await randomImage({ seed: 'elsewhere' });
    expect(archive.sizeOf(other.target.digest)).toBeUndefined();
    await expect(readAll(archive, other.target.digest)).rejects.toMatchObject({ code: 'blob_unknown' });
  });
});

describe('a pipe', () => {
  it.runIf(isLinux)('is spooled to a file without a name, which is gone with the archive', async () => {
    const spoolDir = emptyFolder();
    const archive = await openPipe(tar, { spoolDir });
    expect(readdirSync(spoolDir)).toEqual([]);
    expect(openIn(spoolDir)).toHaveLength(1);
    await archive[Symbol.asyncDispose]();
    expect(openIn(spoolDir)).toEqual([]);
  });

  it.runIf(isLinux)('leaves nothing behind after an error', async () => {
    const spoolDir = emptyFolder();
    await failure(openPipe(tar.subarray(0, 300_000), { spoolDir }));
    expect(readdirSync(spoolDir)).toEqual([]);
    expect(openIn(spoolDir)).toEqual([]);
  });

  it.runIf(isLinux)('leaves nothing behind when the process is killed', async () => {
    const spoolDir = emptyFolder();
    const script = `
      import { openArchive } from ${JSON.stringify(new URL('../../src/archive/archive.ts', import.meta.url).href)};
      await openArchive({ kind: 'fd', fd: 0, label: 'standard input' }, {
        spoolDir: ${JSON.stringify(spoolDir)}, onSpool: () => process.stdout.write('spooling'),
      });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
    // It dies before it has read all of it
    child.stdin.on('error', () => {});
    child.stdin.write(tar.subarray(0, 300_000));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    expect(readdirSync(spoolDir)).toEqual([]);
  });

  it('tells how far the spool is', async () => {
    const seen: number[] = [];
    await using archive = await openPipe(tar, { onSpool: (bytes) => seen.push(bytes) });
    expect(archive.spooled).toBe(true);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(seen.at(-1)).toBe(tar.length);
  });

  it('that falls silent is left when somebody loses patience', async () => {
    const silent = async function* () {
      yield tar.subarray(0, 4096);
      await new Promise(() => {});
    };
    const stop = new AbortController();
    const opening = openArchive(
      { kind: 'stream', stream: silent(), label: 'a pipe' },
      { signal: stop.signal },
    );
    setTimeout(() => stop.abort(new Error('enough')), 50);
    await expect(opening).rejects.toThrow('enough');
  });

  it('that is compressed and falls silent is left too', async () => {
    const silent = async function* () {
      yield gzipSync(tar).subarray(0, 100_000);
      await new Promise(() => {});
    };
    const stop = new AbortController();
    const opening = openArchive(
      { kind: 'stream', stream: silent(), label: 'a pipe' },
      { signal: stop.signal },
    );
    setTimeout(() => stop.abort(new Error('enough')), 50);
    await expect(opening).rejects.toThrow('enough');
  });

  it('is read to its end, so that its writer does not die of it', async () => {
    let ended = false;
    const padded = async function* () {
      yield* inChunks(tar);
      for (let i = 0; i < 20; i++) yield Buffer.alloc(65536);
      ended = true;
    };
    await using archive = await openArchive({ kind: 'stream', stream: padded(), label: 'a pipe' });
    expect(listing(archive)).toEqual([[name, app.target.digest]]);
    expect(ended).toBe(true);
  });

  it('passes on what its writer failed with', async () => {
    const failing = async function* () {
      yield tar.subarray(0, 5000);
      throw new Error('the writer failed');
    };
    await expect(openArchive({ kind: 'stream', stream: failing(), label: 'a pipe' })).rejects.toThrow(
      'the writer failed',
    );
  });

  it.runIf(isLinux)('comes through a descriptor as well, and through a named pipe', async () => {
    const script = `
      import { openArchive } from ${JSON.stringify(new URL('../../src/archive/archive.ts', import.meta.url).href)};
      await using archive = await openArchive(${'INPUT'});
      console.log(archive.images[0].name, archive.spooled);`;
    const inputs = [`{ kind: 'fd', fd: 0, label: 'standard input' }`, `{ kind: 'path', path: '/dev/stdin' }`];
    for (const input of inputs) {
      const child = spawn('sh', [
        '-c',
        `cat ${path} | "$0" --input-type=module -e "$1"`,
        process.execPath,
        script.replace('INPUT', input),
      ]);
      const said = await new Promise<string>((resolve) => {
        let text = '';
        child.stdout.on('data', (data) => {
          text += data;
        });
        child.once('close', () => resolve(text));
      });
      expect(said).toBe(`${name} true\n`);
    }
  });
});

describe('the spool', () => {
  const small = emptyFolder();
  const mounted =
    isLinux && spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', small]).status === 0;
  afterAll(() => {
    if (mounted) spawnSync('umount', [small]);
  });

  it.runIf(mounted)('says that it is full, and what to do, and leaves nothing', async () => {
    const full = { code: 'spool_full', hint: expect.stringContaining('--spool-dir') };
    expect(await failure(openPipe(tar, { spoolDir: small }))).toMatchObject(full);
    expect(await failure(openPipe(gzipSync(tar), { spoolDir: small }))).toMatchObject(full);
    expect(readdirSync(small)).toEqual([]);
    expect(openIn(small)).toEqual([]);
  });

  it('says that its directory is not there', async () => {
    const error = await failure(openPipe(tar, { spoolDir: '/nowhere' }));
    expect(error).toMatchObject({ code: 'usage', hint: expect.stringContaining('--spool-dir') });
  });

  it('refuses a compressed file that cannot fit, before it writes a byte', async () => {
    const { Spool } = await import('../../src/archive/spool.ts');
    const error = await failure(Spool.open(folder, Number.MAX_SAFE_INTEGER));
    expect(error).toMatchObject({ code: 'spool_full', hint: expect.stringContaining('--spool-dir') });
  });
});
