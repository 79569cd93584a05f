import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runCli } from '../support/cli.ts';
import { type KubeApi, kubeconfigOf, kubeNode, startKubeApi } from '../support/kube-api.ts';

/** The real program, which has the Kubernetes library bundled in. */

let api: KubeApi;
let home: string;

beforeEach(async () => {
  api = await startKubeApi();
  api.tokens = { 'good-token': 'admin' };
  // Nothing listens there: they are found, and then not reached
  api.nodes = ['w1', 'w2'].map((name, i) =>
    kubeNode(name, { addresses: [['InternalIP', `127.9.9.${i + 1}`]] }),
  );
  home = await mkdtemp(join(tmpdir(), 'imgctl-home-'));
  await mkdir(join(home, '.kube'));
});

afterEach(async () => {
  await api[Symbol.asyncDispose]();
  await rm(home, { recursive: true });
});

async function login(user: object): Promise<void> {
  await writeFile(join(home, '.kube/config'), kubeconfigOf(api, user));
}

const run = (args: readonly string[], input?: Uint8Array) =>
  runCli(args, { env: { HOME: home, KUBECONFIG: '' }, input });

describe('the program', () => {
  it('finds the nodes of the kubeconfig at home without being told, and says so', async () => {
    await login({ token: 'good-token' });
    const { stderr, stdout } = await run(['nodes', 'list', '--agent-port', '9']);
    expect(stderr).toContain('2 nodes of Kubernetes (context prod,');
    expect(stdout).toMatch(/w1 +127\.9\.9\.1:9 +yes +linux\/amd64/);
  });

  it('runs a credential plugin without giving it the archive on standard input', async () => {
    const plugin = join(home, 'plugin');
    const credential = JSON.stringify({ kind: 'ExecCredential', status: { token: 'good-token' } });
    await writeFile(plugin, `#!/bin/sh\ntest -z "$(cat)" && echo '${credential}'\n`);
    await chmod(plugin, 0o755);
    await login({ exec: { command: plugin } });
    const { stderr } = await run(['nodes', 'list'], Buffer.from('an archive'));
    expect(stderr).toContain('2 nodes of Kubernetes');
  });

  it('refuses a context that is not there as a mistake in the command line', async () => {
    await login({ token: 'good-token' });
    const { status, stderr } = await run(['nodes', 'list', '--context', 'staging']);
    expect(status).toBe(2);
    expect(stderr).toMatch(/no context staging[\s\S]*There are: prod\./);
  });

  it('does not turn to the agent of this machine where Kubernetes does not let it in', async () => {
    await login({ token: 'old-token' });
    const { status, stderr } = await run(['nodes', 'list']);
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/\[discovery_failed\][\s\S]*401/);
    expect(stderr).not.toContain('old-token');
  });
});
