import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import { ociLayout, randomImage, tarOf } from '../support/archives.ts';
import { runCli } from '../support/cli.ts';

const name = 'docker.io/library/large:1';

describe('a node whose disk is too small', () => {
  let dir: string;
  let small: string;
  let mounted = false;
  let archive: string;
  let agents: readonly AgentProcess[] = [];
  let env: Record<string, string>;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'imgctl-disk-test-'));
    small = await mkdtemp(join(tmpdir(), 'imgctl-small-test-'));
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', small], { stdio: 'ignore' });
      mounted = true;
    } catch {
      return;
    }
    const { arch } = process;
    const platform = arch === 'arm64' ? 'linux/arm64' : 'linux/amd64';
    const image = await randomImage({ layers: 3, layerSize: 1_500_000, platform });
    archive = join(dir, 'large.tar');
    await writeFile(archive, await tarOf(ociLayout([{ image, name }])));
    const tokenFile = join(dir, 'token');
    await writeFile(tokenFile, 'the-token-of-this-cluster\n', { mode: 0o600 });
    const args = ['--token-file', tokenFile];
    agents = await Promise.all([
      startAgent({ store: `oci:${small}`, name: 'small', args }),
      startAgent({ store: `oci:${join(dir, 'store')}`, name: 'large', args }),
    ]);
    env = { IMGCTL_TOKEN_FILE: tokenFile };
  });
  afterAll(async () => {
    await Promise.all(agents.map((agent) => agent.stop()));
    if (mounted) execFileSync('umount', [small]);
    for (const path of [dir, small]) if (path) await rm(path, { recursive: true, force: true });
  });

  const run = async (...args: string[]) => {
    const nodes = `small=${agents[0]?.address},large=${agents[1]?.address}`;
    const { status, stdout, stderr } = await runCli(
      ['images', 'import', archive, '--nodes', nodes, ...args],
      { env },
    );
    return { status, stdout, stderr };
  };
  /** Bytes of blobs on the small disk: a declaration brings documents, of a few hundred bytes. */
  const stored = async () => {
    const folder = join(small, 'blobs/sha256');
    const names = await readdir(folder).catch(() => []);
    const sizes = await Promise.all(names.map(async (blob) => (await stat(join(folder, blob))).size));
    return sizes.reduce((sum, size) => sum + size, 0);
  };

  it('is refused before any byte moves, and the other node goes on: status 3', async ({ skip }) => {
    if (!mounted) skip('mounting a small file system needs root');
    const dry = await run('--dry-run');
    expect(dry.stderr).toMatch(/Not fit: 1 of 2 nodes\n {2}small: store_full: .* free/);
    const strict = await run('--strict', '--output', 'json');
    expect(strict.status).toBe(4);
    expect(JSON.parse(strict.stdout).nodes).toMatchObject([
      { node: 'small', status: 'refused', bytesSent: 0, error: { code: 'store_full' } },
      { node: 'large', status: 'refused', bytesSent: 0, error: { code: 'held_back' } },
    ]);
    const { status, stdout, stderr } = await run();
    expect(stderr).toMatch(/Not fit: 1 of 2 nodes\n {2}small: refused \(store_full\): .* free/);
    expect(stdout).toMatch(/^small +refused \(store_full\) +0\/\d +0 B/m);
    expect(stdout).toMatch(/^large +imported/m);
    expect(status).toBe(3);
    expect(await stored()).toBeLessThan(5_000);
  });

  it('is status 4 where it is the only one', async ({ skip }) => {
    if (!mounted) skip('mounting a small file system needs root');
    expect((await run('--nodes', `small=${agents[0]?.address}`)).status).toBe(4);
    expect(await stored()).toBeLessThan(5_000);
  });
});
