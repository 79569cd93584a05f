import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { installAgent } from '../../src/deploy/systemd/install.ts';
import { planInstall } from '../../src/deploy/systemd/install-plan.ts';
import { agentUnit, unitWord } from '../../src/deploy/systemd/unit.ts';
import { freePort } from '../support/agent-process.ts';
import { runCli } from '../support/cli.ts';
import { type FakeSystemd, fakeExecutable, fakeSystemd, script } from '../support/fake-systemd.ts';

const run = promisify(execFile);

describe.skipIf(process.getuid?.() !== 0)('imgctl agent install', () => {
  let dir: string;
  let root: string;
  let systemd: FakeSystemd;
  let executable: string;
  let listen: string;
  let env: Record<string, string>;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'imgctl-install-test-'));
    root = join(dir, 'root');
    await mkdir(root);
    systemd = await fakeSystemd(join(dir, 'bin'), root);
    executable = await fakeExecutable(join(dir, 'imgctl-linux-x64'));
    listen = `127.0.0.1:${await freePort()}`;
    env = {
      PATH: `${systemd.directory}:${process.env.PATH}`,
      XDG_CONFIG_HOME: join(dir, 'config'),
      HOME: dir,
    };
  });
  afterEach(async () => {
    await systemd.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const cli = (...args: string[]) => runCli(args, { env });
  const install = (...args: string[]) =>
    cli(
      ...['agent', 'install', '--root', root, '--executable', executable, '--listen', listen],
      ...['--store', `oci:${join(dir, 'store')}`, '--name', 'node-1', ...args],
    );
  const credentials = async () => {
    await cli('init', '--dir', join(dir, 'cluster'));
    return ['--dir', join(dir, 'cluster')];
  };
  const below = (path: string) => join(root, path);
  const mode = (path: string) => (statSync(below(path)).mode & 0o777).toString(8);

  it('copies executable and credentials, starts the service, and waits until it answers over TLS', async () => {
    const { status, stdout, stderr } = await install(...(await credentials()));
    expect({ status, stderr }).toMatchObject({ status: 0, stderr: expect.stringContaining('with TLS') });
    expect(stderr).toMatch(/copied .*imgctl-linux-x64 to .*\/usr\/local\/bin\/imgctl/);
    expect(stderr).toMatch(/node-1 is ready: imgctl \d+\.\d+\.\d+, oci/);
    expect(stdout).toContain('the agent is installed');
    expect(readdirSync(below('/etc/imgctl')).sort()).toEqual(['agent.crt', 'agent.key', 'ca.crt', 'token']);
    expect([mode('/etc/imgctl'), mode('/etc/imgctl/agent.key'), mode('/usr/local/bin/imgctl')]).toEqual([
      '700',
      '600',
      '755',
    ]);
    expect(await systemd.commands()).toEqual([
      'show --property=Version',
      'daemon-reload',
      'is-active --quiet imgctl-agent.service',
      'enable --now imgctl-agent.service',
    ]);
    const listed = await cli('images', 'list', '--nodes', listen, '--ca-file', join(dir, 'cluster/ca.crt'));
    expect(listed).toMatchObject({ status: 0 });
  });

  it('changes nothing the second time, and restarts when the executable is another one', async () => {
    const dirOption = await credentials();
    await install(...dirOption);
    const again = await install(...dirOption);
    expect(again.stderr).toContain('runs already');
    expect(await systemd.commands()).not.toContain('restart imgctl-agent.service');
    await fakeExecutable(executable, 'a new version');
    const upgraded = await install(...dirOption, '--output', 'json');
    expect(JSON.parse(upgraded.stdout)).toMatchObject({ ok: true, listen: [listen], tls: true });
    expect((await systemd.commands()).filter((command) => command.startsWith('restart'))).toHaveLength(1);
    expect(readFileSync(below('/usr/local/bin/imgctl'), 'utf8')).toContain('a new version');
  });

  it('installs no agent whose images directory depends on where the command was typed', async () => {
    const { status, stderr } = await install('--dry-run', '--', '--images-dir', 'images');
    expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringContaining('absolute path') });
  });

  it('lets the agent write to the images directory that its options name', async () => {
    const images = join(dir, 'images');
    const { status } = await install(...(await credentials()), '--', '--images-dir', images);
    expect(status).toBe(0);
    expect(existsSync(images)).toBe(true);
    const unit = readFileSync(below('/etc/systemd/system/imgctl-agent.service'), 'utf8');
    expect(unit).toMatch(new RegExp(`^ReadWritePaths=.*${images}$`, 'm'));
    const shown = await cli(
      ...['images', 'dir', 'status', '--nodes', listen, '--output', 'json'],
      ...['--ca-file', join(dir, 'cluster/ca.crt'), '--token-file', join(dir, 'cluster/token')],
    );
    expect(JSON.parse(shown.stdout)).toMatchObject({ nodes: [{ directory: images, files: [] }] });
  });

  it('keeps the credentials that are installed when none are named', async () => {
    await install(...(await credentials()));
    const again = await install();
    expect(again).toMatchObject({ status: 0, stderr: expect.stringContaining('with TLS') });
  });

  it('takes the credentials of the configuration directory where init left them', async () => {
    await cli('init');
    const { stderr } = await install();
    expect(stderr).toContain(`from ${join(dir, 'config/imgctl')}`);
    expect(existsSync(below('/etc/imgctl/agent.crt'))).toBe(true);
    expect(existsSync(below('/etc/imgctl/ca.key'))).toBe(false);
  });

  it('without credentials listens on loopback with a token of its own, and nowhere else', async () => {
    const { status, stderr } = await install();
    expect(stderr).toMatch(/token of its own, .*\/var\/lib\/imgctl\/token/);
    expect(stderr).toContain('without TLS');
    expect(status).toBe(0);
    const open = await install('--listen', '0.0.0.0:25000');
    expect(open).toMatchObject({ status: 2, stderr: expect.stringContaining('[listen_insecure]') });
  });

  it('is undone by uninstall, which keeps credentials and data unless told to purge', async () => {
    await install(...(await credentials()));
    const removed = await cli('agent', 'uninstall', '--root', root);
    expect(removed).toMatchObject({ status: 0, stderr: expect.stringContaining('stopped and disabled') });
    expect(existsSync(below('/usr/local/bin/imgctl'))).toBe(false);
    expect(existsSync(below('/etc/systemd/system/imgctl-agent.service'))).toBe(false);
    expect(existsSync(below('/etc/imgctl/agent.key'))).toBe(true);
    const purged = await cli('agent', 'uninstall', '--root', root, '--purge', '-o', 'json');
    expect(JSON.parse(purged.stdout).messages).toContainEqual(
      expect.stringContaining('imgctl-agent.service is not there'),
    );
    expect(existsSync(below('/etc/imgctl'))).toBe(false);
    expect(existsSync(below('/var/lib/imgctl'))).toBe(false);
  });

  it('shows unit, files and commands in a dry run, and does nothing', async () => {
    const { status, stdout } = await install(...(await credentials()), '--dry-run');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^ExecStart=.*agent run --listen 127/m);
    expect(stdout).toMatch(/would copy .*agent.key/);
    expect(stdout).not.toContain('ca.key');
    expect(readdirSync(root)).toEqual([]);
  });

  it("leaves MicroK8s's port to MicroK8s", async () => {
    await mkdir(below('/var/snap/microk8s/current'), { recursive: true });
    const { stdout } = await cli('agent', 'install', '--root', root, '--dry-run', '--executable', executable);
    expect(stdout).toContain('--listen 127.0.0.1:25001');
  });

  it('refuses credentials that are not whole before it touches anything', async () => {
    const dirOption = await credentials();
    await writeFile(join(dir, 'cluster/agent.key'), 'not a key');
    const { status, stderr } = await install(...dirOption);
    expect(stderr).toContain('[certificate_invalid]');
    expect(status).toBe(2);
    expect(readdirSync(root)).toEqual([]);
  });

  it('says what systemctl said', async () => {
    await script(
      join(systemd.directory, 'systemctl'),
      '[ "$1" = show ] || { echo "Unit is masked." >&2; exit 1; }',
    );
    const { status, stderr } = await install();
    expect(stderr).toContain('systemctl daemon-reload failed: Unit is masked.');
    expect(status).toBe(1);
  });

  it('leaves a machine without systemd as it is', async () => {
    const said = 'System has not been booted with systemd as init system (PID 1).';
    await script(join(systemd.directory, 'systemctl'), `echo "${said}" >&2; exit 1`);
    const { status, stderr } = await install(...(await credentials()));
    expect(stderr).toContain(said);
    expect(stderr).toContain('Hint: systemd does not run here.');
    expect(status).toBe(1);
    expect(existsSync(below('/usr/local/bin/imgctl'))).toBe(false);
    expect(existsSync(below('/etc/imgctl'))).toBe(false);
  });

  it('shows the last lines of the log when the agent does not become ready', async () => {
    await script(join(systemd.directory, 'journalctl'), 'echo "no containerd was found"');
    await script(join(systemd.directory, 'systemctl'), 'exit 0');
    const plan = await planInstall({
      root,
      executable: { kind: 'file', path: executable },
      listen: () => [listen],
      agentOptions: [],
    });
    const steps: string[] = [];
    const installing = installAgent(plan, {
      env,
      onStep: (step) => steps.push(step),
      ask: async () => Promise.reject(new Error('nothing listens there')),
      readyWithinMs: 700,
    });
    await expect(installing).rejects.toMatchObject({
      code: 'deploy_failed',
      message: expect.stringContaining('nothing listens there'),
    });
    expect(steps).toContain('log: no containerd was found');
  });

  it('gives as the reason what the agent said when it was last started', async () => {
    const log = join(dir, 'log');
    await script(join(systemd.directory, 'journalctl'), `cat '${log}'`);
    await script(join(systemd.directory, 'systemctl'), 'exit 0');
    const settings = { root, executable: { kind: 'file', path: executable }, agentOptions: [] } as const;
    const plan = await planInstall({ ...settings, listen: () => [listen] });
    const ask = async () => Promise.reject(new Error('the token file does not exist'));
    const installing = () => installAgent(plan, { env, onStep: () => {}, ask, readyWithinMs: 300 });
    const ready = '{"level":30,"msg":"agent ready"}\n';
    const taken = 'Error [address_in_use]: 127.0.0.1:25000 is taken\n  Hint: Listen on another port.\n';
    await writeFile(log, ready + taken);
    await expect(installing()).rejects.toMatchObject({
      message: 'the agent was not ready within 0 s: 127.0.0.1:25000 is taken',
      hint: expect.stringMatching(/^Listen on another port\. It is started again/),
    });
    await writeFile(log, taken + ready);
    await expect(installing()).rejects.toMatchObject({
      message: expect.stringContaining('the token file does not exist'),
    });
  });
});

describe('the unit of the agent', () => {
  const settings = {
    command: ['/usr/local/bin/imgctl', 'agent', 'run'],
    dataDir: '/var/lib/imgctl',
    environmentFile: '/etc/imgctl/agent.env',
    writable: [],
  };

  it('hides homes, unless the program lies in one', () => {
    expect(agentUnit(settings)).toContain('\nProtectHome=yes\n');
    expect(agentUnit({ ...settings, command: ['/root/node', 'x.js'] })).toContain(
      '\nProtectHome=read-only\n',
    );
  });

  it('lets the agent write to a store that is a directory', () => {
    expect(agentUnit({ ...settings, writable: ['/srv/my images'] })).toContain(
      '\nReadWritePaths="/srv/my images"\n',
    );
  });

  it.each([
    ['plain', '/usr/bin/x', '/usr/bin/x'],
    ['an address', '[::]:25000', '[::]:25000'],
    ['specifiers and variables', '100%$HOME', '100%%$$HOME'],
    ['quotes', 'a "b" \\c', '"a \\"b\\" \\\\c"'],
    ['nothing', '', '""'],
  ])('quotes words as systemd reads them: %s', (_, word, quoted) => {
    expect(unitWord(word)).toBe(quoted);
  });

  it('is hardened: an exposure of 4.0 at most, and no word that systemd does not know', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'imgctl-unit-test-'));
    try {
      const unit = join(dir, 'imgctl-agent.service');
      await writeFile(unit, agentUnit({ ...settings, command: ['/bin/true', 'agent', 'run'] }));
      const { stdout } = await run('systemd-analyze', ['security', '--offline=true', '--no-pager', unit]);
      const exposure = Number(/Overall exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1]);
      expect(exposure).toBeLessThanOrEqual(4);
      const { stderr } = await run('systemd-analyze', ['verify', '--man=no', unit]);
      expect(stderr).toBe('');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      if (process.env.IMGCTL_REQUIRE_CONTAINERD === '1') throw new Error('systemd-analyze is not here');
      process.stderr.write('SKIPPED LOUDLY: the unit is not looked at by systemd-analyze: it is not here\n');
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });
});
