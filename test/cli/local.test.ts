import { execFile, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCli } from '../support/cli.ts';

const run = promisify(execFile);
const bin = fileURLToPath(new URL('../../bin/imgctl.js', import.meta.url));
const hello = fileURLToPath(new URL('../../fixtures/hello.tar', import.meta.url));
const name = 'docker.io/imgctl/hello:1.0';

describe('imgctl ctr on a directory', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'imgctl-local-test-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  const ctr = (...args: string[]) => runCli(['ctr', '--address', `oci:${join(dir, 'store')}`, ...args]);
  const names = async () => (await ctr('i', 'ls', '-q')).stdout;

  it('imports with the progress, result and errors of a cluster, then says unchanged', async () => {
    const first = await ctr('image', 'import', hello);
    expect(first.stderr).toContain('Pushing OCI images to ');
    expect(first.stdout).toMatch(/ imported +1\/1 /);
    expect(first.status).toBe(0);
    const again = await ctr('image', 'import', hello, '--output', 'json');
    expect(JSON.parse(again.stdout)).toMatchObject({
      ok: true,
      archive: { images: [{ name, platforms: ['linux/amd64', 'linux/arm64'] }] },
      nodes: [{ status: 'unchanged', bytesSent: 0, images: [{ name, state: 'ready' }] }],
    });
    expect(again).toMatchObject({ status: 0, stderr: '' });
  });

  it('reads standard input, as a file and as a pipe', async () => {
    expect(
      await runCli(['ctr', '-a', `oci:${join(dir, 'store')}`, 'image', 'import', '-'], { inputFile: hello }),
    ).toMatchObject({ status: 0 });
    expect(await names()).toBe(`${name}\n`);
    await run('sh', [
      '-c',
      'cat "$1" | "$2" "$3" ctr -a "$4" image import -',
      'sh',
      hello,
      process.execPath,
      bin,
      `oci:${join(dir, 'piped')}`,
    ]);
    expect(readdirSync(join(dir, 'piped'))).toContain('index.json');
  });

  it('shows what it would write, and writes nothing', async () => {
    const { status, stdout } = await ctr('image', 'import', hello, '--dry-run', '-o', 'json');
    expect(JSON.parse(stdout)).toMatchObject({
      ok: true,
      dryRun: true,
      nodes: [{ blobs: expect.any(Number) }],
    });
    expect(status).toBe(0);
    expect(await names()).toBe('');
  });

  it('tags, and moves a name only when it is told to', async () => {
    await ctr('image', 'import', hello);
    const other = join(dir, 'other.tar');
    await ctr('image', 'import', hello, '--tag', 'other:1', '--platform', 'linux/arm64');
    expect((await ctr('image', 'tag', name, 'other.example/hello:2')).stdout).toContain(
      'other.example/hello:2 is',
    );
    expect(await names()).toBe(`${name}\ndocker.io/library/other:1\nother.example/hello:2\n`);
    expect((await ctr('image', 'tag', 'nowhere:1', 'x:1')).stderr).toContain('[image_unknown]');
    await ctr('image', 'export', other, name);
    expect(await ctr('image', 'rm', name, 'other:1')).toMatchObject({ status: 0 });
    expect(await names()).toBe('other.example/hello:2\n');
  });

  it('exports an archive that it takes back, the same bytes each time', async () => {
    await ctr('image', 'import', hello, '--all-platforms');
    const [a, b] = [join(dir, 'a.tar'), join(dir, 'b.tar')];
    const exported = await ctr('image', 'export', a, name, '--all-platforms', '-o', 'json');
    expect(JSON.parse(exported.stdout)).toMatchObject({ ok: true });
    await run('sh', [
      '-c',
      '"$1" "$2" ctr -a "$3" i export --all-platforms - "$4" | cat > "$5"',
      'sh',
      process.execPath,
      bin,
      `oci:${join(dir, 'store')}`,
      name,
      b,
    ]);
    expect(spawnSync('cmp', [a, b]).status).toBe(0);
    const listed = spawnSync('tar', ['-tf', a], { encoding: 'utf8' }).stdout.split('\n');
    expect(listed.slice(0, 3)).toEqual(['oci-layout', 'index.json', 'manifest.json']);
    const back = await runCli([
      'ctr',
      '-a',
      `oci:${join(dir, 'back')}`,
      'i',
      'import',
      a,
      '--all-platforms',
      '-o',
      'json',
    ]);
    expect(JSON.parse(back.stdout)).toMatchObject({
      ok: true,
      archive: { images: [{ name, platforms: ['linux/amd64', 'linux/arm64'] }] },
    });
  });

  it('leaves no half-written archive, and does not touch the one that is there', async () => {
    await ctr('image', 'import', hello);
    const archive = join(dir, 'old.tar');
    await writeFile(archive, 'old');
    const { status, stderr } = await ctr('image', 'export', archive, 'nowhere:1');
    expect(stderr).toContain('[image_unknown]');
    expect(status).toBe(1);
    expect(readdirSync(dir).sort()).toEqual(['old.tar', 'store']);
  });

  it('notices when nobody takes what it exports', async () => {
    await ctr('image', 'import', hello);
    const piped = spawnSync(
      'bash',
      [
        '-c',
        '"$1" "$2" ctr -a "$3" i export - "$4" | head -c 10 > /dev/null; exit "$PIPESTATUS"',
        'bash',
        process.execPath,
        bin,
        `oci:${join(dir, 'store')}`,
        name,
      ],
      { encoding: 'utf8', timeout: 20_000 },
    );
    expect(piped.status).toBe(1);
    expect(piped.stderr).toMatch(/Error \[/);
  });

  it('refuses an image without a platform for this machine before anything is written', async () => {
    const { status, stdout } = await ctr('image', 'import', hello, '--platform', 'linux/s390x', '-o', 'json');
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      nodes: [{ status: 'refused', error: { code: 'platform_missing' } }],
    });
    expect(status).toBe(4);
    expect(await names()).toBe('');
  });
});
