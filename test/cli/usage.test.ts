import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../support/cli.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const bin = join(root, 'bin/imgctl.js');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
/** Nothing listens on port 1. */
const nowhere = ['--nodes', '127.0.0.1:1'];

describe('a wrong command line', () => {
  it.each<[args: string[], message: string, hint: string]>([
    [['frob'], "unknown command 'frob'", 'See imgctl --help.'],
    [['import', 'x.tar'], "unknown command 'import'", 'Did you mean imgctl images import?'],
    [['load', '-i', 'x.tar'], "unknown command 'load'", 'Did you mean imgctl images import?'],
    [['ls'], "unknown command 'ls'", 'Did you mean imgctl images list?'],
    [['images', 'imprt'], "unknown command 'imprt'", 'Did you mean import? See imgctl images --help.'],
    [
      ['ctr', '-n', 'x', 'i', 'lst'],
      "unknown command 'lst'",
      'Did you mean one of list, ls? See imgctl ctr image --help.',
    ],
    [['images', 'import', '--nodez', 'x'], "unknown option '--nodez'", 'Did you mean --nodes?'],
    [['images', 'rm'], "missing required argument 'ref'", 'See imgctl images rm --help.'],
    [['images', 'import', '--retries', 'x'], '--retries: not a number from 0 to 100: "x"', 'whole number'],
    [['images', 'import', '--stall-timeout', '30'], '--stall-timeout: not a duration: "30"', '30s'],
    [['images', 'import', '--max-rate', '200'], '--max-rate: not a rate: "200"', '200M is 200 Mbit/s'],
    [['images', 'import', '--max-rate', '9k'], '--max-rate: not a rate from 100k', 'bits a second'],
    [['agent', 'run', '--max-rate', 'x'], '--max-rate: not a rate: "x"', 'For example 200M'],
    [['images', 'import', '--output', 'xml'], "'xml' is invalid", 'See imgctl images import --help.'],
    [['images', 'import', '--platform', 'a', '--all-platforms'], 'cannot be used with', 'See'],
    [['images', 'import', '--nodes', 'ftp://a'], 'ftp:// is not spoken by agents', 'host:port'],
    [['images', 'import', '--nodes', ''], 'the list of nodes is empty', 'Name nodes'],
    [['images', 'import', ...nowhere, '-', '-'], 'standard input (-) is named twice', 'once'],
    [['images', 'import', ...nowhere, '--token-file', '/gone', 'x'], '/gone cannot be read', '--token-file'],
    [['images', 'import', ...nowhere, '/gone.tar'], 'there is no file /gone.tar', 'Check the path'],
    [['images', 'rm', 'UPPER:1'], 'a repository name is lower case', 'repository'],
    [
      ['ctr', 'image', 'export', '/no/such/dir/x.tar', 'a:1'],
      '/no/such/dir/x.tar cannot be written',
      'directory',
    ],
    [
      ['ctr', 'image', 'export', '-', 'a:1', '-o', 'json'],
      'cannot both go to standard output',
      'Name a file',
    ],
  ])('%j is status 2, with what to do', async (args, message, hint) => {
    const { status, stdout, stderr } = await runCli(args, { env: { IMGCTL_NODES: '' } });
    const text = stderr + stdout;
    expect(text).toContain(message);
    expect(text).toMatch(/(Hint: |"hint": )/);
    expect(text).toContain(hint);
    expect(status).toBe(2);
  });

  it('names the variable of the environment that holds it', async () => {
    const { status, stderr } = await runCli(['agent', 'run'], { env: { IMGCTL_MAX_RATE: 'fast' } });
    expect([status, stderr]).toEqual([2, expect.stringContaining('IMGCTL_MAX_RATE: not a rate: "fast"')]);
  });

  it('is one JSON document where JSON is asked for', async () => {
    for (const args of [
      ['--output', 'json', '--nodez'],
      ['--output=json', '--retries', 'x'],
      ['-o', 'json', '-ojson', 'x', 'y', '-', '-'],
    ]) {
      const { status, stdout, stderr } = await runCli(['images', 'import', ...args]);
      expect(stderr).toBe('');
      expect(JSON.parse(stdout)).toMatchObject({ ok: false, nodes: [], error: { code: expect.any(String) } });
      expect(status).toBe(2);
    }
  });
});

describe('help', () => {
  it.each(
    [
      [],
      ['images'],
      ['images', 'import'],
      ['images', 'list'],
      ['images', 'rm'],
      ['nodes', 'list'],
      ['agent', 'run'],
      ['agent', 'image'],
      ['agent', 'manifest'],
      ['init'],
      ['token', 'rotate'],
      ['ctr', 'image', 'import'],
      ['ctr', 'image', 'export'],
      ['completion'],
    ].map((args) => [args]),
  )('is there for imgctl %s', async (args) => {
    const { status, stdout, stderr } = await runCli([...args, '--help']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^Usage: imgctl/);
    if (args.length !== 1 || args[0] === 'completion' || args[0] === 'init')
      expect(stdout).toContain('Examples:');
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(110);
  });

  it('tells the exit statuses', async () => {
    const { stdout } = await runCli(['help']);
    for (const status of ['0', '1', '2', '3', '4', '5', '130'])
      expect(stdout).toMatch(new RegExp(`^  ${status} `, 'm'));
  });

  it('is what a command without its subcommand gets, with status 2', async () => {
    const { status, stdout, stderr } = await runCli(['images']);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(/^Usage: imgctl images/);
  });
});

describe('the executable', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'imgctl-bin-test-'));
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  const start = (file: string, ...args: string[]) =>
    spawnSync(process.execPath, [file, ...args], { encoding: 'utf8' });

  it('tells its version', () => {
    expect(start(bin, '--version').stdout).toBe(`imgctl ${version}\n`);
    expect(start(bin, '-V').stdout).toBe(`imgctl ${version}\n`);
  });

  it('works through a symbolic link', async () => {
    const link = join(dir, 'imgctl');
    await symlink(bin, link);
    expect(start(link, '--version').stdout).toBe(`imgctl ${version}\n`);
  });

  it('says what to do where it is not built', async () => {
    await mkdir(join(dir, 'unbuilt'));
    await cp(join(root, 'bin'), join(dir, 'unbuilt/bin'), { recursive: true });
    await cp(join(root, 'package.json'), join(dir, 'unbuilt/package.json'));
    const { status, stderr } = start(join(dir, 'unbuilt/bin/imgctl.js'), '--version');
    expect(status).toBe(1);
    expect(stderr).toContain('npm run build');
  });

  const oldNode = ['/usr/bin/node', '/usr/local/bin/node'].find(
    (node) =>
      existsSync(node) &&
      Number(spawnSync(node, ['-p', 'parseInt(process.versions.node)'], { encoding: 'utf8' }).stdout) < 24,
  );
  it.skipIf(oldNode === undefined)('says which Node.js it needs under an older one', () => {
    const { status, stdout, stderr } = spawnSync(oldNode ?? '', [bin, '--version'], { encoding: 'utf8' });
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain('needs Node.js 24 or newer; this is v');
    expect(stderr).toContain('Hint: ');
  });

  it('does not mind that nobody reads on', () => {
    const { status, stdout, stderr } = spawnSync(
      'sh',
      ['-c', '"$0" "$1" --help | head -n 1; exit $?', process.execPath, bin],
      {
        encoding: 'utf8',
      },
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toBe('Usage: imgctl [options] [command]\n');
  });
});
