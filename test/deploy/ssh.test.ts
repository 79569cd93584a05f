import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { receiveScript } from '../../src/deploy/ssh/remote-script.ts';
import { shellQuote } from '../../src/deploy/ssh/shell-quote.ts';
import { SshConnection } from '../../src/deploy/ssh/ssh-connection.ts';
import { parseSshHosts } from '../../src/deploy/ssh/ssh-host.ts';
import { freePort } from '../support/agent-process.ts';
import { runCli, startCli } from '../support/cli.ts';
import { type FakeSystemd, fakeExecutable, fakeSystemd, script } from '../support/fake-systemd.ts';
import { type Sshd, startSshd, withoutSshd } from '../support/sshd.ts';

const absence = withoutSshd();
if (absence !== undefined) {
  if (process.env.IMGCTL_REQUIRE_CONTAINERD === '1') throw new Error(`no sshd: ${absence}`);
  process.stderr.write(`SKIPPED LOUDLY: imgctl agent deploy over a real sshd: ${absence}\n`);
}

const arch = process.arch === 'arm64' ? 'arm64' : 'x64';

describe.skipIf(absence !== undefined)('imgctl agent deploy, over a real sshd', () => {
  let dir: string;
  let root: string;
  let systemd: FakeSystemd;
  let sshd: Sshd;
  let port: number;
  let env: Record<string, string>;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'imgctl-ssh-test-'));
    root = join(dir, 'root');
    await mkdir(join(root, 'var/lib'), { recursive: true });
    await mkdir(join(dir, 'exe'));
    await fakeExecutable(join(dir, `exe/imgctl-linux-${arch}`));
    systemd = await fakeSystemd(join(dir, 'bin'), root);
    sshd = await startSshd(join(dir, 'sshd'), `${systemd.directory}:${process.env.PATH}`);
    port = await freePort();
    env = { XDG_CONFIG_HOME: join(dir, 'config'), HOME: dir };
    await runCli(['init'], { env });
  });
  afterEach(async () => {
    await systemd.stop();
    await sshd.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const args = (hosts: string, ...more: string[]) => [
    ...['agent', 'deploy', '--ssh', hosts, '--executable-dir', join(dir, 'exe'), '--remote-root', root],
    ...['--listen', `127.0.0.1:${port}`, ...sshd.options, ...more],
    ...['--', '--store', `oci:${join(dir, 'store')}`, '--name', 'node-1'],
  ];
  const deploy = (hosts = 'root@127.0.0.1', ...more: string[]) => runCli(args(hosts, ...more), { env });
  const leftBehind = () =>
    readdirSync(join(root, 'var/lib')).filter((name) => name.startsWith('imgctl-deploy'));
  const knowsAs = (line: string) => writeFileSync(sshd.knownHosts, `${line}\n`);

  it('installs the agent there, which then answers from here, and leaves nothing else behind', async () => {
    const { status, stdout, stderr } = await deploy();
    expect({ status, stderr }).toMatchObject({ status: 0 });
    expect(stdout).toMatch(/root@127\.0\.0\.1: the agent answers at 127\.0\.0\.1:\d+: node-1 is ready/);
    expect(readdirSync(join(root, 'etc/imgctl')).sort()).toEqual([
      'agent.crt',
      'agent.key',
      'ca.crt',
      'token',
    ]);
    expect(readFileSync(join(root, 'etc/imgctl/agent.key'))).toEqual(
      readFileSync(join(dir, 'config/imgctl/agent.key')),
    );
    expect(await systemd.commands()).toContain('enable --now imgctl-agent.service');
    expect(leftBehind()).toEqual([]);
    const listed = await runCli(['images', 'list', '--nodes', `127.0.0.1:${port}`], { env });
    expect(listed).toMatchObject({ status: 0 });
  });

  it('sends the executable only where there is another one', async () => {
    await deploy();
    const again = await deploy();
    expect(again).toMatchObject({
      status: 0,
      stderr: expect.stringContaining('has this executable already'),
    });
    expect(await systemd.commands()).not.toContain('restart imgctl-agent.service');
  });

  it('gives a host the certificate that was made for it alone', async () => {
    await runCli(['init', '--dir', join(dir, 'own'), '--host', 'worker-1,127.0.0.1'], { env });
    expect(await deploy('root@127.0.0.1', '--dir', join(dir, 'own'))).toMatchObject({ status: 0 });
    const own = readdirSync(join(dir, 'own')).find((name) => /^agent-.*\.crt$/.test(name)) ?? '';
    expect(readFileSync(join(root, 'etc/imgctl/agent.crt'))).toEqual(readFileSync(join(dir, 'own', own)));
  });

  it('reports a dead host, and the others are done all the same', async () => {
    const { status, stdout } = await deploy('root@127.0.0.1,root@127.0.0.77', '--output', 'json');
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      hosts: [
        { host: 'root@127.0.0.1', address: `127.0.0.1:${port}`, summary: expect.stringContaining('ready') },
        { host: 'root@127.0.0.77', error: { code: 'deploy_failed', hint: expect.any(String) } },
      ],
    });
    expect(status).toBe(3);
  });

  it('sends nothing to a host whose key is not the one that ssh knows', async () => {
    knowsAs(sshd.otherKey);
    const { status, stderr } = await deploy();
    expect(stderr).toContain('its host key is not the one that ssh knows: nothing was sent');
    expect(status).toBe(1);
    expect(existsSync(join(root, 'etc'))).toBe(false);
  });

  it('does not ask about a host that ssh has never seen: it says what to do', async () => {
    knowsAs('');
    const { status, stderr } = await deploy();
    expect(stderr).toContain('ssh does not know its host key');
    expect(stderr).toContain('Hint: Connect once by hand');
    expect(status).toBe(1);
  });

  it('says how to be let in where the key is not', async () => {
    const { stderr, status } = await runCli(
      args('root@127.0.0.1').map((arg) => arg.replace(/^IdentityFile=.*/, 'IdentityFile=/dev/null')),
      { env },
    );
    expect(stderr).toContain('ssh was not let in');
    expect(stderr).toContain('ssh-copy-id');
    expect(status).toBe(1);
  });

  it('uses sudo without a password where the login is not root, and says so when that is refused', async () => {
    await script(join(systemd.directory, 'id'), 'echo 1000');
    await script(join(systemd.directory, 'sudo'), `printf '%s\\n' "$1" >> '${dir}/sudo'; shift; exec "$@"`);
    expect(await deploy()).toMatchObject({ status: 0 });
    expect(readFileSync(join(dir, 'sudo'), 'utf8')).toMatch(/^(?:-n\n)+$/);
    await script(join(systemd.directory, 'sudo'), 'echo "sudo: a password is required" >&2; exit 1');
    const refused = await deploy();
    expect(refused.stderr).toContain('sudo refused: sudo: a password is required');
    expect(refused.stderr).toContain('NOPASSWD');
    expect(refused.status).toBe(1);
  });

  it('hands on what went wrong there, with its hint', async () => {
    await script(
      join(systemd.directory, 'systemctl'),
      '[ "$1" = show ] || { echo "Unit is masked." >&2; exit 1; }',
    );
    const { status, stderr } = await deploy();
    expect(stderr).toContain('installing there failed: systemctl daemon-reload failed: Unit is masked.');
    expect(stderr).toContain('Hint: See systemctl status imgctl-agent.service.');
    expect(status).toBe(1);
    expect(leftBehind()).toEqual([]);
  });

  it('says what the executable needs where it does not run: another libc, noexec', async () => {
    writeFileSync(join(dir, `exe/imgctl-linux-${arch}`), '#!/lib64/ld-of-glibc\n');
    const { status, stderr } = await deploy();
    expect(stderr).toMatch(/the executable does not run there: .*not found/);
    expect(stderr).toContain('glibc 2.28');
    expect(stderr).toContain('imgctl agent manifest');
    expect(status).toBe(1);
    expect(leftBehind()).toEqual([]);
  });

  it('says that there is no sudo', async () => {
    await script(join(systemd.directory, 'id'), 'echo 1000');
    await script(join(systemd.directory, 'sudo'), 'echo "sh: 1: sudo: not found" >&2; exit 127');
    const { stderr, status } = await deploy();
    expect(stderr).toContain('sudo refused: sh: 1: sudo: not found');
    expect(stderr).toContain('Name root (root@HOST)');
    expect(stderr).not.toContain('removed by hand');
    expect(status).toBe(1);
  });

  it('leaves nothing of an executable that did not arrive whole, whoever was killed', () => {
    const target = join(dir, 'received');
    const received = spawnSync('sh', ['-c', receiveScript(target, 'f'.repeat(64))], { input: 'half of i' });
    expect({ status: received.status, stderr: String(received.stderr) }).toEqual({
      status: 1,
      stderr: 'what arrived is not what was sent\n',
    });
    expect(existsSync(target)).toBe(false);
  });

  it('takes back what it sent when it is interrupted', async () => {
    // As slow as a host can be: `agent install` there takes its time
    await script(join(dir, `exe/imgctl-linux-${arch}`), 'exec sleep 5');
    const running = startCli(args('root@127.0.0.1'), { env });
    for (const until = Date.now() + 15_000; leftBehind().length === 0; await sleep(50))
      if (Date.now() > until) throw new Error(running.printed().stderr);
    await sleep(500);
    running.kill('SIGINT');
    expect(await running.result).toMatchObject({ status: 130 });
    expect(leftBehind()).toEqual([]);
  });

  it('puts no secret on a command line', async () => {
    const token = readFileSync(join(dir, 'config/imgctl/token'), 'utf8').trim();
    await script(
      join(dir, `exe/imgctl-linux-${arch}`),
      `ps -eo args > '${dir}/ps' || cat /proc/*/cmdline > '${dir}/ps'`,
    );
    await deploy();
    expect(readFileSync(join(dir, 'ps'), 'utf8')).not.toContain(token);
  });
});

describe('a host over ssh that does nothing', () => {
  it('is given up, and is not taken for an interruption', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'imgctl-ssh-quiet-'));
    await script(join(dir, 'ssh'), 'exec sleep 60');
    const host = { destination: 'n1', label: 'n1' };
    const ssh = new SshConnection(host, { env: { PATH: `${dir}:${process.env.PATH}` }, options: [] });
    const begun = Date.now();
    // More than a pipe takes: it is the host that reads nothing
    const input = Readable.from([Buffer.alloc(1_000_000)]);
    await expect(ssh.run('cat', { input, quietMs: 300 })).rejects.toMatchObject({
      code: 'deploy_failed',
      message: 'it has done nothing for 0.3 s',
    });
    expect(Date.now() - begun).toBeLessThan(10_000);
    await rm(dir, { recursive: true, force: true });
  });
});

describe('hosts for ssh', () => {
  it.each([
    ['root@10.0.4.17', 'root@10.0.4.17'],
    ['node-1.example.com', 'node-1.example.com'],
    ['ubuntu@[fd00::17]', 'ubuntu@fd00::17'],
    ['ubuntu@fd00::17', 'ubuntu@fd00::17'],
  ])('are given to ssh as it wants them: %s', (entry, destination) => {
    expect(parseSshHosts(entry)).toEqual([{ destination, label: entry }]);
  });

  it('count once', () => {
    expect(parseSshHosts('a, b\na')).toHaveLength(2);
  });

  it.each(['-oProxyCommand=x', 'root@-oProxyCommand=x', '-l@host', 'a;b', 'a$(b)', 'a@b@c', 'host:22', ''])(
    'are refused where ssh or a shell would read something else: %j',
    (entry) => {
      expect(() => parseSshHosts(entry)).toThrow(/not a host for ssh|empty/);
    },
  );

  it('quotes words so that a shell reads them back', () => {
    expect(shellQuote("a 'b' $c")).toBe("'a '\\''b'\\'' $c'");
    expect(shellQuote('/usr/local/bin/imgctl')).toBe('/usr/local/bin/imgctl');
    expect(shellQuote('')).toBe("''");
  });
});
