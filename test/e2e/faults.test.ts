import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { writeArchive } from '../bench/archive.ts';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import { runCli, startCli } from '../support/cli.ts';
import { type ContainerdDaemon, startContainerd } from '../support/containerd/daemon.ts';
import { describeContainerd } from '../support/require-containerd.ts';
import { type SlowProxy, slowProxy } from '../support/slow-proxy.ts';

/** What goes wrong half-way. The truth is told, nothing is left behind, and the next run completes. */

const megabyte = 1_000_000;
const name = 'registry.example.com/team/big:1';

describeContainerd('an import that something happens to half-way', (generation) => {
  let directory: string;
  let archive: string;
  let daemon: ContainerdDaemon;
  let agent: AgentProcess;
  let proxy: SlowProxy;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'imgctl-test-faults-'));
    archive = join(directory, 'big.tar');
    await writeArchive(archive, name, 8, 64 * 1024 * 1024);
  }, 60_000);

  afterAll(() => rm(directory, { recursive: true, force: true }));

  beforeEach(async () => {
    daemon = await startContainerd(generation);
    agent = await startAgent({ store: `containerd:${daemon.socket}` });
    proxy = await slowProxy(agent.port, 25 * megabyte);
  }, 60_000);

  afterEach(async () => {
    await proxy.close();
    await agent.stop();
    await daemon.stop();
  });

  function importing(port: number, ...args: string[]): string[] {
    const node = ['--nodes', `node=127.0.0.1:${port}`, '--token-file', agent.tokenFile];
    return ['images', 'import', archive, ...node, '--output', 'json', ...args];
  }

  async function names(): Promise<string[]> {
    const { stdout } = await daemon.ctr(['-n', 'k8s.io', 'images', 'ls', '-q']);
    return stdout.split('\n').filter((line) => line.includes('team/big'));
  }

  async function expectClean(): Promise<void> {
    expect(await daemon.ingests('k8s.io')).toEqual([]);
    const { stdout } = await daemon.ctr(['-n', 'k8s.io', 'snapshots', 'ls']);
    expect(stdout).not.toContain('extract-');
  }

  /** Runs the same command again, without the slow stretch, and checks that it had less to send. */
  async function expectResumed(alreadyThere: number): Promise<void> {
    const { status, stdout } = await runCli(importing(agent.port));
    expect(status, stdout).toBe(0);
    const [node] = JSON.parse(stdout).nodes;
    expect(node.status).toBe('imported');
    expect(node.bytesSkipped).toBeGreaterThanOrEqual(alreadyThere);
    expect(node.bytesSent + node.bytesSkipped).toBe(JSON.parse(stdout).archive.bytes);
    expect(await names()).toHaveLength(2);
    await expectClean();
  }

  it('a broken link: the transfer goes on from where it was', async () => {
    const running = runCli(importing(proxy.port));
    await proxy.reached(20 * megabyte);
    proxy.cut();
    const { status, stdout } = await running;
    expect(status, stdout).toBe(0);
    const { archive: whole, nodes } = JSON.parse(stdout);
    expect(nodes[0].status).toBe('imported');
    // Sent twice is only what was on its way when the link broke, in buffers along the way too
    expect(nodes[0].bytesSent).toBeLessThan(whole.bytes * 1.6);
    expect(await daemon.leases('k8s.io')).toEqual([]);
    await expectClean();
  });

  it('an agent that is killed: nothing is named, and the next run sends what is missing', async () => {
    const running = runCli(importing(proxy.port, '--retries', '0'));
    await proxy.reached(30 * megabyte);
    await agent.kill('SIGKILL');
    const { status, stdout } = await running;
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      nodes: [{ node: 'node', status: 'failed', error: { code: 'node_unreachable' } }],
    });
    expect(await names()).toEqual([]);
    for (const { labels } of await daemon.leases('k8s.io'))
      expect(labels).toHaveProperty(['containerd.io/gc.expire']);
    await agent.restart();
    await expectResumed(megabyte);
    expect(await daemon.leases('k8s.io')).toEqual([]);
  });

  it('an agent that is killed and comes back: the command goes on by itself', async () => {
    const running = runCli(importing(proxy.port, '--retries', '5'));
    await proxy.reached(30 * megabyte);
    await agent.kill('SIGKILL');
    await agent.restart();
    const { status, stdout } = await running;
    expect(status, stdout).toBe(0);
    expect(await names()).toHaveLength(2);
    expect(await daemon.leases('k8s.io')).toEqual([]);
  });

  it('an agent that is told to stop lets the command know, and leaves the import resumable', async () => {
    const running = runCli(importing(proxy.port, '--retries', '0'));
    await proxy.reached(20 * megabyte);
    agent.kill('SIGTERM');
    const { stdout } = await running;
    // It lets transfers finish: either they did within the time, or the import is left
    const [node] = JSON.parse(stdout).nodes;
    if (node.status === 'failed') expect(await names()).toEqual([]);
    await agent.kill('SIGKILL');
    await agent.restart();
    const { status, stdout: again } = await runCli(importing(agent.port));
    expect(status, again).toBe(0);
    await expectClean();
  });

  it('a containerd that is restarted: the command goes on by itself', async () => {
    const running = runCli(importing(proxy.port, '--retries', '5'));
    await proxy.reached(20 * megabyte);
    await daemon.restart();
    const { status, stdout } = await running;
    expect(status, stdout).toBe(0);
    expect(await names()).toHaveLength(2);
    expect(await daemon.leases('k8s.io')).toEqual([]);
    await expectClean();
  });

  it('a node that takes no more bytes: it is given up after the stall timeout', async () => {
    const running = runCli(importing(proxy.port, '--retries', '0', '--stall-timeout', '2s'));
    await proxy.reached(20 * megabyte);
    proxy.hang();
    const { status, stdout } = await running;
    expect(status).toBe(1);
    expect(JSON.parse(stdout).nodes[0]).toMatchObject({ status: 'failed', error: { code: 'node_stalled' } });
  });

  it('Ctrl-C: status 130, and what arrived is kept for the next run', async () => {
    const running = startCli(importing(proxy.port));
    await proxy.reached(30 * megabyte);
    running.kill('SIGINT');
    const { status, stdout } = await running.result;
    expect(status).toBe(130);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, error: { code: 'interrupted' } });
    const leases = await daemon.leases('k8s.io');
    expect(leases).not.toEqual([]);
    for (const { labels } of leases) {
      const expires = Date.parse(labels['containerd.io/gc.expire'] ?? '');
      expect(expires).toBeLessThanOrEqual(Date.now() + 60 * 60 * 1000);
    }
    await expectResumed(megabyte);
  });

  it('a command that is killed: the next run sends what is missing', async () => {
    const running = startCli(importing(proxy.port));
    await proxy.reached(30 * megabyte);
    running.kill('SIGKILL');
    await running.result;
    expect(await names()).toEqual([]);
    await expectResumed(megabyte);
  });

  it('a local import that is killed: the next one takes over what it left, and leaves no lease', async () => {
    const local = ['ctr', 'image', 'import', archive, '--address', daemon.socket, '--output', 'json'];
    const running = startCli(local);
    await expect.poll(() => daemon.ingests('k8s.io'), { timeout: 10_000, interval: 5 }).not.toEqual([]);
    running.kill('SIGKILL');
    await running.result;
    expect(await names()).toEqual([]);
    const { status, stdout } = await runCli(local);
    expect(status, stdout).toBe(0);
    expect(await names()).toHaveLength(2);
    expect(await daemon.leases('k8s.io')).toEqual([]);
    await expectClean();
  });

  it('two commands at once, with archives that share layers: both succeed', async () => {
    const [one, two] = await Promise.all([runCli(importing(proxy.port)), runCli(importing(agent.port))]);
    expect(one.status, one.stdout).toBe(0);
    expect(two.status, two.stdout).toBe(0);
    expect(await names()).toHaveLength(2);
    expect(await daemon.leases('k8s.io')).toEqual([]);
    await expectClean();
  });
});
