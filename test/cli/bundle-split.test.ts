import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodePartHead } from '../../src/archive/part-head.ts';
import { run } from '../archive/tools.ts';
import { ociLayout, randomImage, tarOf } from '../support/archives.ts';
import { runCli } from '../support/cli.ts';
import { runHere } from '../support/run-here.ts';

const name = 'registry.example.com/shop/app:1';
const mebibyte = 1024 * 1024;
// One layer is larger than a part
const app = await randomImage({ seed: 'large', layers: 1, layerSize: 40 * mebibyte });
const second = await randomImage({ seed: 'second', layers: 1, layerSize: 40 * mebibyte });

let dir: string;
let source: string;
let parts: string[];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'imgctl-bundle-split-'));
  source = join(dir, 'source.tar');
  writeFileSync(source, await tarOf(ociLayout([{ image: app, name }])));
  parts = await split('bundle.tar.zst', '16M');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function file(name: string, content: Uint8Array): string {
  writeFileSync(join(dir, name), content);
  return join(dir, name);
}

async function split(out: string, size: string, from = source): Promise<string[]> {
  const folder = mkdtempSync(join(dir, 'parts-'));
  const { status, stdout, stderr } = await runCli([
    'bundle',
    'create',
    '--from-archive',
    from,
    '--split',
    size,
    '-o',
    join(folder, out),
  ]);
  expect(stderr).toBe('');
  expect(stdout).toMatch(/in \d+ parts: \S+\.001 to \S+\.00\d\./);
  expect(status).toBe(0);
  return readdirSync(folder)
    .toSorted()
    .map((name) => join(folder, name));
}

const importing = (store: string, files: readonly string[]) =>
  runHere(['ctr', '-a', `oci:${join(dir, store)}`, 'image', 'import', ...files, '-o', 'json']);

describe('a bundle in parts', () => {
  it('has as many as its size needs, none larger, also where a layer is', () => {
    expect(parts.map((path) => path.slice(-4))).toEqual(['.001', '.002', '.003']);
    for (const path of parts) expect(statSync(path).size).toBeLessThanOrEqual(16 * mebibyte);
  });

  it('is imported in one command, its parts in any order and by any name', async () => {
    const [first, second, third] = parts as [string, string, string];
    const renamed = join(dir, 'renamed');
    copyFileSync(second, renamed);
    const { status, stdout } = await importing('any', [third, renamed, first]);
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, archive: { images: [{ name }] } });
    expect(status).toBe(0);
  });

  it('is one zstd stream for every other tool, when its parts are put one after the other', async () => {
    const whole = Buffer.concat(parts.map((path) => readFileSync(path)));
    const tar = run('zstd', ['-dc'], whole);
    expect(run('tar', ['-tf', '-'], tar).toString()).toContain('index.json\nmanifest.json\n');
    const piped = await runCli(['bundle', 'verify', '-'], { input: whole });
    expect(piped.status).toBe(0);
  });

  it('is shown and verified as one', async () => {
    const verified = await runHere(['bundle', 'verify', ...parts.toReversed()]);
    expect(verified.stdout).toMatch(/^ok +registry\.example\.com\/shop\/app:1 +linux\/amd64$/m);
    expect(verified.status).toBe(0);
    const shown = await runHere(['bundle', 'inspect', ...parts, '--output', 'json']);
    expect(JSON.parse(shown.stdout)).toMatchObject({ images: [{ name, digest: app.target.digest }] });
  });

  it('of which a part is missing is refused, with which', async () => {
    const [first, , third] = parts as [string, string, string];
    const { status, stdout } = await importing('missing', [third, first]);
    expect(JSON.parse(stdout).error).toMatchObject({
      code: 'archive_incomplete',
      message: expect.stringContaining('is part 3 of 3 of a bundle, and part 2 is not here'),
    });
    expect(status).toBe(4);
  });

  it('of which a part is cut off is refused, with which and by how much', async () => {
    const [first, second, third] = parts as [string, string, string];
    const cut = join(dir, 'cut');
    copyFileSync(second, cut);
    truncateSync(cut, 5 * mebibyte);
    const { status, stdout } = await importing('cut-store', [first, cut, third]);
    expect(JSON.parse(stdout).error).toMatchObject({
      code: 'archive_truncated',
      message: expect.stringContaining(`it has ${5 * mebibyte} bytes, and had ${statSync(second).size}`),
    });
    expect(status).toBe(4);
  });

  it('is not mixed with the parts of another division of the same bundle, or of another bundle', async () => {
    const division = await split('bundle.tar.zst', '20M');
    const other = file('other.tar', await tarOf(ociLayout([{ image: second, name: 'other:1' }])));
    for (const strange of [division, await split('other.tar.zst', '16M', other)]) {
      const { status, stdout } = await importing('mixed', [parts[0], strange[1], parts[2]].map(String));
      expect(JSON.parse(stdout).error).toMatchObject({
        code: 'archive_incomplete',
        message: expect.stringMatching(/\.00[123] is part \d of 3 of a bundle, and parts? /),
        hint: expect.stringContaining('are parts of 2 bundles'),
      });
      expect(status).toBe(4);
    }
  });

  it('is refused where a part is named twice, also by a copy of it', async () => {
    const [first, two, third] = parts as [string, string, string];
    const copy = join(dir, 'copy of two');
    copyFileSync(two, copy);
    for (const again of [two, copy]) {
      const { status, stdout } = await importing('twice', [first, two, again, third]);
      expect(JSON.parse(stdout).error).toMatchObject({
        code: 'archive_conflict',
        message: `part 2 of 3 of a bundle is named twice: ${two} and ${again}`,
      });
      expect(status).toBe(4);
    }
  });

  it('tells of a part whose beginning is lost, and of a byte that is another', async () => {
    const [first, two, third] = parts as [string, string, string];
    const headless = file('headless', readFileSync(two).subarray(600));
    const lost = await importing('lost', [first, headless, third]);
    expect(JSON.parse(lost.stdout).error).toMatchObject({
      code: 'archive_incomplete',
      hint: expect.stringContaining(`${headless} is no part`),
    });
    const bytes = readFileSync(two);
    bytes.writeUInt8(bytes.readUInt8(8_000_000) ^ 1, 8_000_000);
    const damaged = file('damaged', bytes);
    expect((await runHere(['bundle', 'verify', first, damaged, third])).status).toBe(4);
  });

  it('is neither shown nor verified, nor a base, by one of its parts', async () => {
    const [first] = parts as [string];
    for (const args of [
      ['bundle', 'inspect', first],
      ['bundle', 'verify', first],
      ['bundle', 'create', '--from-archive', source, '--base', first, '-o', join(dir, 'no.tar')],
    ]) {
      const { stderr, status } = await runHere(args);
      expect(stderr).toContain('is part 1 of 3 of a bundle, and parts 2, 3 are not here');
      expect(stderr).toMatch(/Hint: .*: imgctl images import \/[^ ]*\.tar\.zst\.\*$/m);
      expect(status).toBe(4);
    }
  });

  it('comes by a pipe as parts in their order; one of them alone says which it is, and what to do', async () => {
    const all = Buffer.concat(parts.map((part) => readFileSync(part)));
    const whole = await runCli(['bundle', 'verify', '-'], { input: all });
    expect(whole).toMatchObject({ status: 0 });
    for (const [i, part] of parts.entries()) {
      const told = `standard input begins with part ${i + 1} of 3 of a bundle, and is not the whole of it`;
      for (const given of [{ input: readFileSync(part) }, { inputFile: part }]) {
        const alone = await runCli(['bundle', 'verify', '-'], given);
        expect(alone.stderr).toContain(told);
        expect(alone.stderr).toContain('cat bundle.tar.zst.* | imgctl images import');
        expect(alone.status).toBe(4);
      }
    }
  });

  it('is a base by all of its parts', async () => {
    const out = join(dir, 'delta.tar');
    const bases = parts.flatMap((part) => ['--base', part]);
    const made = await runHere(['bundle', 'create', '--from-archive', source, ...bases, '-o', out]);
    expect(made).toMatchObject({ status: 0 });
    expect(statSync(out).size).toBeLessThan(mebibyte);
    const verified = await runHere(['bundle', 'verify', out, ...bases]);
    expect(verified.status).toBe(0);
  });
});

describe('--split', () => {
  it.each([
    [['--split', '2G', '-o', 'x.tar'], 'x.tar is not .tar.zst'],
    [['--split', '2G', '-o', 'x.tar.gz'], 'x.tar.gz is not .tar.zst'],
    [['--split', '2G', '-o', '/dev/null'], 'is not .tar.zst'],
    [['--split', '1M', '-o', 'x.tar.zst'], 'not a size'],
    [['--split', '2X', '-o', 'x.tar.zst'], 'not a size'],
    [['--split', '2G', '-o', '-'], 'standard output'],
  ])('refuses %j', async (args, told) => {
    const { stderr, status } = await runCli(['bundle', 'create', '--from-archive', source, ...args], {
      cwd: dir,
    });
    expect(stderr).toContain(told);
    expect(status).toBe(2);
  });

  it('leaves nothing where it cannot write', async () => {
    const full = join(dir, 'nowhere');
    mkdirSync(full);
    const out = join(full, 'deeper', 'x.tar.zst');
    const made = await runCli(['bundle', 'create', '--from-archive', source, '--split', '16M', '-o', out]);
    expect(made.stderr).toContain('cannot be written');
    expect(made.status).toBe(2);
    expect(readdirSync(full)).toEqual([]);
  });

  it('writes heads that no other file has', () => {
    expect(decodePartHead(readFileSync(source))).toBeUndefined();
    expect(decodePartHead(readFileSync(parts[0] ?? ''))).toMatchObject({ part: 1, of: 3 });
  });
});
