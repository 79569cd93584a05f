import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { smallArchive } from '../agent/archives.ts';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import { becomes } from '../support/becomes.ts';
import { runCli } from '../support/cli.ts';
import { type FakeRegistry, startFakeRegistry } from '../support/registry/fake-registry.ts';

describe('imgctl images dir status', () => {
  let dir: string;
  let agents: AgentProcess[] = [];
  let env: Record<string, string>;
  let registry: FakeRegistry;
  beforeAll(async () => {
    registry = await startFakeRegistry();
    dir = await mkdtemp(join(tmpdir(), 'imgctl-images-dir-cli-'));
    const tokenFile = join(dir, 'token');
    const images = join(dir, 'images');
    await mkdir(images);
    await writeFile(tokenFile, 'the-token-of-this-cluster\n', { mode: 0o600 });
    await writeFile(join(images, 'good.tar'), smallArchive('app:1'));
    await writeFile(join(images, 'bad.tar'), smallArchive('app:2').subarray(0, 2000));
    await writeFile(join(images, 'list.txt'), `app:1\n${registry.host}/app:3\n`);
    agents = await Promise.all(
      [['w1', ['--images-dir', images, '--images-dir-concurrency', '1']] as const, ['w2', []] as const].map(
        ([name, args]) =>
          startAgent({
            store: `oci:${join(dir, name)}`,
            name,
            args: ['--token-file', tokenFile, ...args],
          }),
      ),
    );
    const nodes = agents.map(({ address }, i) => `w${i + 1}=${address}`).join(',');
    env = { IMGCTL_NODES: nodes, IMGCTL_TOKEN_FILE: tokenFile };
    await becomes(
      async () => JSON.parse((await status('--output', 'json')).stdout).nodes[0].files,
      (files: { state: string }[]) =>
        files.length === 3 && files.every(({ state }) => state === 'ready' || state === 'failed'),
    );
  });
  afterAll(async () => {
    await Promise.all(agents.map((agent) => agent.stop()));
    await registry?.[Symbol.asyncDispose]();
    if (dir) await rm(dir, { recursive: true, force: true });
  });

  const status = (...args: string[]) => runCli(['images', 'dir', 'status', ...args], { env });

  it('shows each file with its images, and why what failed did', async () => {
    const { status: exit, stdout, stderr } = await status();

    const rows = stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/));
    expect(rows).toEqual([
      ['NODE', 'FILE', 'SIZE', 'STATE', 'IMAGE'],
      ['w1', 'bad.tar', expect.any(String), 'failed (archive_truncated)', '-'],
      ['w1', 'good.tar', expect.any(String), 'ready', 'docker.io/library/app:1'],
      ['w1', 'list.txt', expect.any(String), expect.any(String), 'docker.io/library/app:1'],
      ['w1', 'list.txt', expect.any(String), 'failed (image_unknown)', `${registry.host}/app:3`],
      ['w2', 'no images directory', '-', '-', '-'],
    ]);
    expect(stderr).toMatch(
      /^w1: archive_truncated: \/[^ ]*bad\.tar is cut off.*\n {2}Hint: Copy or download the archive again/m,
    );
    expect(stderr).toContain(`w1: image_unknown: ${registry.host}/app:3: `);
    expect(exit).toBe(0);
  });

  it('is one document for machines', async () => {
    const { stdout, stderr } = await status('--output', 'json');

    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toMatchObject({
      ok: true,
      nodes: [
        {
          node: 'w1',
          directory: join(dir, 'images'),
          files: [
            { path: join(dir, 'images/bad.tar'), state: 'failed', error: { code: 'archive_truncated' } },
            { path: join(dir, 'images/good.tar'), state: 'ready', images: [{ state: 'ready' }] },
            { path: join(dir, 'images/list.txt'), kind: 'list', state: 'failed' },
          ],
        },
        { node: 'w2', directory: null, files: [] },
      ],
    });
  });

  it('shows what a newer agent says in words that this command does not know', async () => {
    const file = {
      ...{ path: '/images/app.ova', kind: 'disk', size: 5, state: 'frozen', since: '2026-01-01T00:00:00Z' },
      images: [{ name: 'docker.io/library/app:1', state: 'thawing', warmth: 3 }],
    };
    const peer = createServer((_, response) => {
      response.end(JSON.stringify({ directory: '/images', mood: 'good', files: [file] }));
    });
    peer.listen(0, '127.0.0.1');
    await once(peer, 'listening');
    try {
      const at = ['--nodes', `127.0.0.1:${(peer.address() as AddressInfo).port}`];
      const table = await status(...at);
      expect(table).toMatchObject({ status: 0, stderr: '' });
      expect(table.stdout).toMatch(/app\.ova .* frozen +docker\.io\/library\/app:1$/m);
      const { nodes } = JSON.parse((await status(...at, '--output', 'json')).stdout);
      expect(nodes[0].files).toMatchObject([{ state: 'frozen', images: [{ state: 'thawing' }] }]);
    } finally {
      peer.closeAllConnections();
      peer.close();
    }
  });
});
