import { execFile, spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { Agent, get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { librariesIn } from '../../src/deploy/image/shared-libraries.ts';
import { freePort } from '../support/agent-process.ts';
import { runCli } from '../support/cli.ts';
import { type ContainerdDaemon, startContainerd } from '../support/containerd/daemon.ts';
import { builtExecutable } from '../support/executable.ts';
import { describeContainerd } from '../support/require-containerd.ts';

const run = promisify(execFile);
const name = `imgctl.local/agent:${packageJson.version}`;

let dir: string;
let executable: string;
let archive: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'imgctl-image-test-'));
  executable = await builtExecutable();
  archive = join(dir, 'agent.tar');
  await run(executable, ['agent', 'image', '-o', archive], { env: {} });
}, 120_000);
afterAll(() => rm(dir, { recursive: true, force: true }));

describe('imgctl agent image', () => {
  it('holds the executable, its libraries, a directory for temporary files, and nothing else', async () => {
    const files = await layerFiles();
    expect(files).toContain('usr/local/bin/imgctl');
    expect(files).toContain('tmp/');
    expect(files.filter((file) => /\/ld-linux[^/]*\.so/.test(file))).toHaveLength(1);
    const others = files.filter((file) => !file.endsWith('/') && !/\.so\.\d+$/.test(file));
    expect(others).toEqual(['usr/local/bin/imgctl']);
  });

  it('is the same bytes whenever and by whomever it is made, through a pipe too', async () => {
    const again = join(dir, 'again.tar');
    await run('sh', ['-c', '"$0" agent image | cat > "$1"', executable, again], {
      env: { TZ: 'Asia/Tokyo', PATH: process.env.PATH, HOME: dir },
    });
    expect((await readFile(again)).equals(await readFile(archive))).toBe(true);
  });

  it('has the name that is wanted', async () => {
    const named = join(dir, 'named.tar');
    await run(executable, ['agent', 'image', '-o', named, '--tag', 'registry.example.com/agent:2'], {
      env: {},
    });
    const { stdout } = await run('tar', ['-xOf', named, 'manifest.json']);
    expect(JSON.parse(stdout)).toMatchObject([{ RepoTags: ['registry.example.com/agent:2'] }]);
  });

  it('leaves nothing behind when whoever reads it goes away, and says so', async () => {
    const scratch = join(dir, 'scratch');
    await mkdir(scratch);
    const child = spawn(executable, ['agent', 'image'], { env: { TMPDIR: scratch } });
    child.stdout.destroy();
    const [stderr, status] = await Promise.all([
      text(child.stderr),
      new Promise((resolve) => child.once('close', resolve)),
    ]);
    expect(status).toBe(1);
    expect(stderr).toContain('nobody reads it');
    expect((await run('ls', [scratch])).stdout).toBe('');
  });

  it('says how to get the executable, where only the package is', async () => {
    // The package without what build:exe made
    const copy = join(dir, 'package');
    const root = new URL('../../', import.meta.url).pathname;
    for (const part of ['bin', 'dist/cli', 'package.json'])
      await cp(join(root, part), join(copy, part), { recursive: true });
    await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
    const result = await run(process.execPath, [join(copy, 'bin/imgctl.js'), 'agent', 'image'], {
      env: {},
    }).catch((error) => error);
    expect(result.stderr).toContain(`imgctl-linux-${process.arch}`);
    expect(result.stderr).toContain('[deploy_failed]');
  });

  it("reads the loader's list as ldd prints it", () => {
    const trace = [
      '\tlinux-vdso.so.1 (0x00007ffd1f5fe000)',
      '\tlibc.so.6 => /lib/aarch64-linux-gnu/libc.so.6 (0x00007f73d4e1e000)',
      '\tlibx.so => not found',
      '\t/lib/ld-linux-aarch64.so.1 (0x00007f73d53a8000)',
    ].join('\n');
    expect(librariesIn(trace)).toEqual(['/lib/aarch64-linux-gnu/libc.so.6', '/lib/ld-linux-aarch64.so.1']);
  });
});

describeContainerd("the agent's image", (generation) => {
  let daemon: ContainerdDaemon;
  let trust: string;

  beforeAll(async () => {
    daemon = await startContainerd(generation);
    trust = await mkdtemp(join(tmpdir(), 'imgctl-image-trust-'));
    expect(await runCli(['init', '--dir', trust])).toMatchObject({ status: 0 });
  });
  afterAll(async () => {
    await daemon?.stop();
    if (trust) await rm(trust, { recursive: true, force: true });
  });

  it("is taken by containerd's own tool, and runs as the daemon set runs it", async () => {
    const imported = await daemon.ctr(['-n', 'k8s.io', 'image', 'import', '-'], {
      input: await readFile(archive),
    });
    expect(imported).toMatchObject({ status: 0 });
    const [port, id, data] = [
      await freePort(),
      `imgctl-agent-${Date.now()}`,
      join(dir, `data-${generation.name}`),
    ];
    await mkdir(data);
    const mount = (from: string, to: string, mode: string) =>
      `--mount=type=bind,src=${from},dst=${to},options=rbind:${mode}`;
    const running = daemon.ctr([
      ...[
        '-n',
        'k8s.io',
        'run',
        '--rm',
        '--net-host',
        '--read-only',
        '--fifo-dir',
        join(daemon.root, 'fifo'),
      ],
      ...['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_FSETID', 'CAP_FOWNER', 'CAP_MKNOD', 'CAP_NET_RAW'].flatMap(
        drop,
      ),
      ...['CAP_SETGID', 'CAP_SETUID', 'CAP_SETFCAP', 'CAP_SETPCAP', 'CAP_NET_BIND_SERVICE'].flatMap(drop),
      ...['CAP_SYS_CHROOT', 'CAP_KILL', 'CAP_AUDIT_WRITE'].flatMap(drop),
      mount(join(daemon.socket, '..'), '/run/node', 'ro'),
      mount(trust, '/etc/imgctl', 'ro'),
      mount(data, '/var/lib/imgctl', 'rw'),
      ...[name, id, '/usr/local/bin/imgctl', 'agent', 'run', '--store=containerd:/run/node/containerd.sock'],
      ...[`--listen=127.0.0.1:${port}`, '--name=node-1', '--data-dir=/var/lib/imgctl'],
      ...['--tls-cert=/etc/imgctl/agent.crt', '--tls-key=/etc/imgctl/agent.key'],
      ...['--ca-file=/etc/imgctl/ca.crt', '--token-file=/etc/imgctl/token'],
    ]);
    let ended: unknown;
    void running.then((result) => {
      ended = result;
    });
    const ca = await readFile(join(trust, 'ca.crt'), 'utf8');
    for (const until = Date.now() + 20_000; (await statusOf(port, '/healthz', ca)) !== 200; await sleep(200))
      if (ended !== undefined || Date.now() > until)
        throw new Error(`no answer: ${JSON.stringify(ended)}\n${daemon.logTail()}`);
    expect(await statusOf(port, '/readyz', ca)).toBe(200);

    const hello = new URL('../../fixtures/hello.tar', import.meta.url).pathname;
    const through = await runCli(
      ['images', 'import', hello, '--nodes', `127.0.0.1:${port}`, '--ca-file', join(trust, 'ca.crt')],
      { env: { IMGCTL_TOKEN_FILE: join(trust, 'token') } },
    );
    expect(through.status, through.stderr).toBe(0);
    expect((await daemon.ctr(['-n', 'k8s.io', 'images', 'ls', '-q'])).stdout).toContain('imgctl/hello:1.0');

    await daemon.ctr(['-n', 'k8s.io', 'tasks', 'kill', '-s', 'SIGTERM', id]);
    expect(await running).toMatchObject({ status: 0 });
  }, 120_000);
});

const drop = (capability: string) => ['--cap-drop', capability];

async function layerFiles(): Promise<string[]> {
  const { stdout } = await run('tar', ['-xOf', archive, 'manifest.json']);
  const [{ Layers }] = JSON.parse(stdout);
  const listed = await run('sh', ['-c', 'tar -xOf "$0" "$1" | tar -tz', archive, Layers[0]]);
  return listed.stdout.trim().split('\n');
}

function statusOf(port: number, path: string, ca: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const agent = new Agent({ ca, servername: 'imgctl-agent' });
    get({ host: '127.0.0.1', port, path, agent }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on('error', () => resolve(undefined));
  });
}
