import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ociLayout, randomImage, tarOf } from '../support/archives.ts';
import { becomes } from '../support/becomes.ts';
import { runCli, startCli } from '../support/cli.ts';
import { imageUpon } from '../support/image-upon.ts';
import { breakOff, type FakeRegistry, refuse, startFakeRegistry } from '../support/registry/fake-registry.ts';
import { runHere } from '../support/run-here.ts';

const app = await randomImage({ seed: 'trouble', layers: 2, layerSize: 1_500_000 });
const newer = await imageUpon(app, 'newer');
const [, second] = app.layers as [(typeof app.layers)[0], (typeof app.layers)[0]];
const blob = new RegExp(`blobs/${second.descriptor.digest}`);

let dir: string;
let source: string;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'imgctl-bundle-trouble-'));
  source = await archiveOf('source.tar', app);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function archiveOf(name: string, image: typeof app): Promise<string> {
  writeFileSync(join(dir, name), await tarOf(ociLayout([{ image, name: 'shop/app:1' }])));
  return join(dir, name);
}

const folder = () => mkdtempSync(join(dir, 'out-'));
const create = (...args: string[]) => runHere(['bundle', 'create', ...args]);

describe('a disk that is full', () => {
  it('is told, and nothing of the bundle is left on it', async ({ skip }) => {
    const small = folder();
    try {
      execFileSync('/bin/mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', small], { stdio: 'ignore' });
    } catch {
      skip('mounting a small file system needs root');
    }
    try {
      for (const args of [['x.tar'], ['x.tar.zst'], ['x.tar.zst', '--split', '16M']]) {
        const [out = '', ...rest] = args;
        const full = await create('--from-archive', source, '-o', join(small, out), ...rest);
        expect(full.stderr).toContain('no space left');
        expect(full.status).not.toBe(0);
        expect(readdirSync(small)).toEqual([]);
      }
    } finally {
      execFileSync('/bin/umount', [small]);
    }
  });

  it('is told of a device, too', async () => {
    const full = await create('--from-archive', source, '-o', '/dev/full');
    expect(full.stderr).toContain('no space left');
    expect(full.status).not.toBe(0);
  });
});

/** Half of a blob, and then nothing. */
function stall(registry: FakeRegistry): void {
  registry.faults.push({
    path: blob,
    answer(response, bytes = Buffer.alloc(0)) {
      response.writeHead(200, { 'content-length': bytes.byteLength });
      response.write(bytes.subarray(0, bytes.byteLength / 2));
    },
  });
}

describe('a bundle that is not made to its end', () => {
  it.each([['x.tar'], ['x.tar.zst'], ['x.tar.zst', '--split', '16M']])(
    'leaves nothing at Ctrl-C: %s %s',
    async (out, ...rest) => {
      await using registry = await startFakeRegistry({ tags: { 'shop/app:1': app } });
      stall(registry);
      const home = folder();
      const args = ['bundle', 'create', `${registry.host}/shop/app:1`, '-o', join(home, out), ...rest];
      const making = startCli(args);
      await becomes(
        () => registry.paths(),
        (paths) => paths.some((path) => blob.test(path)),
      );
      making.kill('SIGINT');
      expect((await making.result).status).toBe(130);
      expect(readdirSync(home)).toEqual([]);
    },
  );

  it('leaves the file as it was, where the registry has lost a layer', async () => {
    await using registry = await startFakeRegistry({ tags: { 'shop/app:1': app } });
    registry.faults.push(refuse(blob, 404));
    const home = folder();
    const out = join(home, 'x.tar');
    writeFileSync(out, 'last week’s');
    const failed = await create(`${registry.host}/shop/app:1`, '-o', out);
    expect(failed.stderr).toContain(registry.host);
    expect(failed.status).toBe(4);
    expect(readFileSync(out, 'utf8')).toBe('last week’s');
    expect(readdirSync(home)).toEqual(['x.tar']);
  });
});

describe('a registry that breaks off in the middle', () => {
  it('is taken up where it did', async () => {
    await using registry = await startFakeRegistry({ tags: { 'shop/app:1': app } });
    registry.faults.push(breakOff(blob), refuse(blob, 503));
    const out = join(folder(), 'x.tar');
    expect(await create(`${registry.host}/shop/app:1`, '-o', out)).toMatchObject({ status: 0 });
    expect((await runHere(['bundle', 'verify', out])).status).toBe(0);
    const ranges = registry.requests
      .filter(({ path }) => blob.test(path))
      .map(({ headers }) => headers.range);
    const half = Math.floor(second.bytes.byteLength / 2);
    expect(ranges).toEqual([undefined, `bytes=${half}-`, `bytes=${half}-`]);
  });
});

describe('a bundle whose name is that of what it is made of', () => {
  it('takes the place of its base, whole', async () => {
    const out = join(folder(), 'x.tar');
    const whole = readFileSync(source);
    copyFileSync(source, out);
    const from = await archiveOf('newer.tar', newer);
    expect(await create('--from-archive', from, '--base', out, '-o', out)).toMatchObject({ status: 0 });
    expect(readFileSync(out).byteLength).toBeLessThan(whole.byteLength / 2);
    const verified = await runHere(['bundle', 'verify', out, '--base', source]);
    expect(verified.status).toBe(0);
  });

  it('takes the place of the archive that it is from', async () => {
    const out = join(folder(), 'x.tar');
    copyFileSync(source, out);
    expect(await create('--from-archive', out, '-o', out)).toMatchObject({ status: 0 });
    expect((await runHere(['bundle', 'verify', out])).status).toBe(0);
  });
});

describe('a base', () => {
  it('may be signed', async () => {
    const home = folder();
    expect((await runCli(['bundle', 'keygen', 'k'], { cwd: home })).status).toBe(0);
    const base = join(home, 'base.tar');
    expect((await create('--from-archive', source, '--sign', join(home, 'k.key'), '-o', base)).status).toBe(
      0,
    );
    const from = await archiveOf('newer.tar', newer);
    const out = join(home, 'delta.tar');
    expect((await create('--from-archive', from, '--base', base, '-o', out)).status).toBe(0);
    expect((await runHere(['bundle', 'verify', out, '--base', base])).status).toBe(0);
  });

  it.each<[what: string, change: (bytes: Buffer) => Buffer, told: string]>([
    ['cut off', (bytes) => bytes.subarray(0, 100_000), '[archive_truncated]'],
    ['no archive', () => Buffer.from('what is this'), '[archive_'],
    ['empty', () => Buffer.alloc(0), '[archive_empty]'],
  ])('that is %s is refused, and nothing is written', async (_, change, told) => {
    const home = folder();
    mkdirSync(join(home, 'out'));
    const base = join(home, 'base.tar');
    writeFileSync(base, change(readFileSync(source)));
    const refused = await create('--from-archive', source, '--base', base, '-o', join(home, 'out', 'x.tar'));
    expect(refused.stderr).toContain(told);
    expect(refused.stderr).toContain('base.tar');
    expect(refused.status).toBe(4);
    expect(readdirSync(join(home, 'out'))).toEqual([]);
  });
});
