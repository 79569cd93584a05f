import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, chmod, mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { freePort } from '../support/agent-process.ts';
import { runCli } from '../support/cli.ts';
import { type ContainerdDaemon, startContainerd } from '../support/containerd/daemon.ts';
import { builtExecutable } from '../support/executable.ts';
import { describeContainerd } from '../support/require-containerd.ts';

const hello = fileURLToPath(new URL('../../fixtures/hello.tar', import.meta.url));

let dir: string;
let executable: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'imgctl-executable-test-'));
  const built = await builtExecutable();
  // Alone in a directory: nothing that it needs can stand beside it
  executable = join(dir, 'alone', 'imgctl');
  await mkdir(join(dir, 'alone'));
  await promisify(execFile)('cp', [built, executable]);
}, 120_000);
afterAll(() => rm(dir, { recursive: true, force: true }));

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** With no environment but what is given: no PATH, so no Node.js. */
async function run(
  args: readonly string[],
  env: Record<string, string> = {},
  file = executable,
): Promise<Ended> {
  const child = spawn(file, args, { env, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { status: child.exitCode, stdout, stderr };
}

describe('the single executable', () => {
  it('knows its version at once', async () => {
    const started = performance.now();
    const ended = await run(['--version']);
    expect(ended).toEqual({ status: 0, stdout: `imgctl ${packageJson.version}\n`, stderr: '' });
    // 45 ms on an idle machine; a busy one needs longer
    expect(performance.now() - started).toBeLessThan(5_000);
    expect((await stat(executable)).size).toBeLessThan(150e6);
  });

  it.each([
    { NODE_OPTIONS: '--require /nonexistent.js' },
    { NODE_OPTIONS: '--no-such-option' },
    { NODE_PATH: '/nonexistent', NODE_ENV: 'production' },
  ])("minds no setting that is meant for others' Node.js: %o", async (env) => {
    expect(await run(['--version'], env)).toMatchObject({ status: 0, stderr: '' });
  });

  it('says the same as the package: help, completions, errors and statuses', async () => {
    for (const args of [
      ['--help'],
      ['images', 'import', '--help'],
      ['completion', 'bash'],
      ['images', 'imprt'],
      ['images', 'import', '/nonexistent.tar'],
    ]) {
      const fromPackage = await runCli(args);
      const alone = await run(args, { LANG: 'C.UTF-8', HOME: process.env.HOME ?? '/' });
      expect(alone).toEqual({
        status: fromPackage.status,
        stdout: fromPackage.stdout,
        stderr: fromPackage.stderr,
      });
    }
  });

  it('is both sides of an import over TLS, with credentials that it made', async () => {
    const trust = join(dir, 'trust');
    expect(await run(['init', '--dir', trust])).toMatchObject({ status: 0 });
    const port = await freePort();
    const store = join(dir, 'store');
    const agent = spawn(
      executable,
      [
        ...['agent', 'run', '--listen', `127.0.0.1:${port}`, '--store', `oci:${store}`, '--name', 'node-1'],
        ...['--data-dir', join(dir, 'data'), '--token-file', join(trust, 'token')],
        ...['--tls-cert', join(trust, 'agent.crt'), '--tls-key', join(trust, 'agent.key')],
      ],
      { env: {}, cwd: '/', stdio: ['ignore', 'ignore', 'pipe'] },
    );
    try {
      await ready(agent);
      const args = ['images', 'import', hello, '--nodes', `https://127.0.0.1:${port}`];
      const trusted = ['--ca-file', join(trust, 'ca.crt'), '--token-file', join(trust, 'token')];
      const imported = await run([...args, ...trusted, '--output', 'json']);
      expect(imported).toMatchObject({ status: 0, stderr: '' });
      expect(JSON.parse(imported.stdout)).toMatchObject({ ok: true });
      const listed = await run(['ctr', '-a', `oci:${store}`, 'images', 'ls', '-q']);
      expect(listed.stdout).toBe('docker.io/imgctl/hello:1.0\n');
    } finally {
      // As a service manager stops it: in order, not by the signal
      agent.kill('SIGTERM');
      if (agent.exitCode === null && agent.signalCode === null) await once(agent, 'exit');
    }
    expect([agent.exitCode, agent.signalCode]).toEqual([0, null]);
  });

  it('is a plugin of kubectl under the name kubectl-imgctl', async () => {
    const path = join(dir, 'path');
    await mkdir(path);
    await symlink(executable, join(path, 'kubectl-imgctl'));
    const kubectl = await kubectlIn(path);
    const env = { PATH: `${path}:/usr/bin:/bin`, HOME: dir };
    const help = await run(['imgctl', 'images', 'import', '--help'], env, kubectl);
    expect(help.stdout).toMatch(/^Usage: kubectl imgctl images import /);
    expect(help.stdout).toMatch(/^ {2}kubectl imgctl images import < bundle.tar$/m);
    const mistaken = await run(['imgctl', 'images', 'imprt'], env, kubectl);
    expect(mistaken.status).toBe(2);
    expect(mistaken.stderr).toContain('See kubectl imgctl images --help.');
    const store = join(dir, 'plugin-store');
    const imported = await run(
      ['imgctl', 'ctr', '-a', `oci:${store}`, 'image', 'import', hello],
      env,
      kubectl,
    );
    expect(imported).toMatchObject({ status: 0 });
    const script = await run(['imgctl', 'completion', 'bash'], env, kubectl);
    expect(script.stdout).toBe((await run(['completion', 'bash'])).stdout);
  });
});

describeContainerd('the single executable', (generation) => {
  let daemon: ContainerdDaemon;

  beforeAll(async () => {
    daemon = await startContainerd(generation);
  });
  afterAll(() => daemon?.stop());

  it('imports into containerd what runs there', async () => {
    const imported = await run(['ctr', '-a', daemon.socket, 'image', 'import', hello]);
    expect(imported).toMatchObject({ status: 0 });
    const said = await daemon.runContainer('k8s.io', 'docker.io/imgctl/hello:1.0', ['/hello']);
    expect(said).toBe('Hello from an image that no registry has seen.\n');
  });
});

/** The real kubectl, where there is one; else what it does with a plugin: it runs it by its path, in its own place. */
async function kubectlIn(path: string): Promise<string> {
  const real = '/usr/bin/kubectl';
  if (
    await access(real).then(
      () => true,
      () => false,
    )
  )
    return real;
  const standIn = join(path, 'kubectl');
  await writeFile(standIn, `#!/bin/sh\nshift\nexec "$(command -v kubectl-imgctl)" "$@"\n`);
  await chmod(standIn, 0o755);
  return standIn;
}

async function ready(agent: ChildProcess): Promise<void> {
  let log = '';
  agent.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    log += chunk;
  });
  for (const until = Date.now() + 20_000; !log.includes('agent ready'); await sleep(50))
    if (agent.exitCode !== null || Date.now() > until) throw new Error(`the agent did not start:\n${log}`);
}
