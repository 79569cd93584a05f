import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AgentProcess, freePort, startAgent } from '../support/agent-process.ts';
import { ociLayout, randomImage, type TarMember, tarOf } from '../support/archives.ts';
import { type CliResult, runCli } from '../support/cli.ts';

/** What users really feed a command with. Each gets a clear error and the right status, and nothing is lost or left. */

const name = 'registry.example.com/team/app:1';

describe('bad input', () => {
  let directory: string;
  let agent: AgentProcess;
  let spool: string;
  let good: Buffer;
  let members: TarMember[];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'imgctl-test-bad-'));
    spool = join(directory, 'spool');
    await mkdir(spool);
    agent = await startAgent({ store: `oci:${join(directory, 'store')}`, name: 'n1' });
    const image = await randomImage({ seed: 'bad input', layerSize: 50_000 });
    members = ociLayout([{ image, name }]);
    good = await tarOf(members);
  });

  afterAll(async () => {
    await agent.stop();
    await rm(directory, { recursive: true, force: true });
  });

  async function importing(
    input: Uint8Array | undefined,
    ...args: string[]
  ): Promise<CliResult & { json: Outcome }> {
    const node = ['--nodes', `n1=${agent.address}`, '--token-file', agent.tokenFile, '--spool-dir', spool];
    const result = await runCli(['images', 'import', ...node, '--output', 'json', ...args], { input });
    expect(await readdir(spool)).toEqual([]);
    return { ...result, json: JSON.parse(result.stdout) };
  }

  interface Outcome {
    readonly ok: boolean;
    readonly error?: { readonly code: string; readonly message: string; readonly hint?: string };
    readonly nodes: readonly {
      readonly node: string;
      readonly status: string;
      readonly error?: { readonly code: string };
    }[];
  }

  async function expectRefused(input: Uint8Array, code: string, status = 4): Promise<Outcome> {
    const result = await importing(input);
    expect(result.json, result.stdout).toMatchObject({
      ok: false,
      error: { code, hint: expect.any(String) },
      nodes: [],
    });
    expect(result.status).toBe(status);
    return result.json;
  }

  it('an empty input', () => expectRefused(new Uint8Array(), 'archive_empty'));

  it('something that is no tar', () =>
    expectRefused(Buffer.from('hello world\n'.repeat(1000)), 'archive_unreadable'));

  it('a tar without images', async () => {
    await expectRefused(await tarOf([{ name: 'readme.txt', body: 'hello' }]), 'archive_no_images');
  });

  it('a terminal, or nothing, on standard input is a question of usage', async () => {
    const { status, stderr } = await runCli(['images', 'import', '--nodes', agent.address, '--no-such-flag']);
    expect(status).toBe(2);
    expect(stderr).toContain('--no-such-flag');
  });

  it('an image without a name, until it is given one', async () => {
    const image = await randomImage({ seed: 'unnamed' });
    const unnamed = await tarOf(ociLayout([{ image }]));
    const refused = await expectRefused(unnamed, 'archive_unnamed');
    expect(refused.error?.hint).toContain('--tag');
    const { status, json } = await importing(unnamed, '--tag', 'registry.example.com/team/named:1');
    expect(status).toBe(0);
    expect(json.nodes[0]).toMatchObject({
      status: 'imported',
      images: [{ name: 'registry.example.com/team/named:1' }],
    });
  });

  it('an archive that is cut anywhere: nothing of it is named', async () => {
    for (const part of [0.1, 0.35, 0.6, 0.85, 0.97]) {
      const { status, json } = await importing(good.subarray(0, Math.floor(good.byteLength * part)));
      expect([1, 4]).toContain(status);
      expect(json.ok).toBe(false);
    }
    const { stdout } = await runCli([
      'images',
      'list',
      '--nodes',
      agent.address,
      '--token-file',
      agent.tokenFile,
      '-o',
      'json',
    ]);
    expect(stdout).not.toContain(name);
  });

  it('a layer whose bytes are not what its name says: the archive is blamed', async () => {
    const spoiled = members.map((member) =>
      member.name.startsWith('blobs/') && member.body !== undefined && member.body.length > 4000
        ? { ...member, body: Buffer.alloc(member.body.length, 'x') }
        : member,
    );
    const { status, json } = await importing(await tarOf(spoiled));
    expect(status).toBe(1);
    expect(json.nodes[0]).toMatchObject({
      status: 'failed',
      error: {
        code: 'digest_mismatch',
        context: { node: 'n1', phase: 'archive', digest: expect.stringMatching(/^sha256:/) },
      },
    });
    const { stdout } = await runCli([
      'images',
      'list',
      '--nodes',
      agent.address,
      '--token-file',
      agent.tokenFile,
      '-o',
      'json',
    ]);
    expect(stdout).not.toContain(name);
  });

  it('a platform that the archive has not', async () => {
    const image = await randomImage({ seed: 'arm', platform: 'linux/s390x' });
    const { status, json } = await importing(
      await tarOf(ociLayout([{ image, name: 'registry.example.com/team/arm:1' }])),
    );
    expect(status).toBe(4);
    expect(json.nodes[0]).toMatchObject({
      status: 'refused',
      error: { code: 'platform_missing', hint: expect.stringContaining('linux/s390x') },
    });
  });

  it('a wrong token', async () => {
    const tokenFile = join(directory, 'wrong-token');
    await writeFile(tokenFile, 'wrong-0123456789abcdef\n', { mode: 0o600 });
    const { status, stdout } = await runCli(
      ['images', 'import', '--nodes', `n1=${agent.address}`, '--token-file', tokenFile, '--output', 'json'],
      { input: good },
    );
    expect(status).toBe(5);
    expect(JSON.parse(stdout).nodes[0]).toMatchObject({
      status: 'failed',
      error: { code: 'node_unauthorized', context: { node: 'n1' } },
    });
    expect(stdout).not.toContain('wrong-0123456789abcdef');
  });

  it('nodes that are down, hang, or are something else: the good one has everything, and the status is 3', async () => {
    const web = createServer((_request, response) => response.end('<html>hello</html>'));
    const mute = createTcpServer(() => undefined);
    await Promise.all(
      [web, mute].map((server) => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))),
    );
    const port = (server: typeof mute | typeof web) => (server.address() as AddressInfo).port;
    const nodes = `down=127.0.0.1:${await freePort()},mute=127.0.0.1:${port(mute)},web=127.0.0.1:${port(web)},n1=${agent.address}`;
    try {
      const { status, stdout } = await runCli(
        [
          'images',
          'import',
          '--nodes',
          nodes,
          '--token-file',
          agent.tokenFile,
          '-o',
          'json',
          '--retries',
          '0',
          '--stall-timeout',
          '2s',
        ],
        { input: good },
      );
      expect(status, stdout).toBe(3);
      expect(JSON.parse(stdout).nodes).toMatchObject([
        { node: 'down', error: { code: 'node_unreachable' } },
        {
          node: 'mute',
          status: 'failed',
          error: { code: expect.stringMatching(/node_(stalled|unreachable)/) },
        },
        { node: 'web', status: 'refused', error: { code: 'node_not_agent' } },
        { node: 'n1', status: 'imported' },
      ]);
    } finally {
      web.close();
      mute.close();
    }
  });

  it('a node that takes connections and says nothing holds up neither a listing nor a preview', async () => {
    const mute = createTcpServer(() => undefined);
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    const nodes = `n1=${agent.address},mute=127.0.0.1:${(mute.address() as AddressInfo).port}`;
    const common = ['--nodes', nodes, '--token-file', agent.tokenFile, '-o', 'json'];
    try {
      const preview = await runCli(['images', 'import', '--dry-run', '--stall-timeout', '1s', ...common], {
        input: good,
      });
      expect(preview.status, preview.stdout).toBe(3);
      const listing = await runCli(['images', 'list', ...common]);
      expect(listing.status, listing.stdout).toBe(3);
      expect(JSON.parse(listing.stdout).nodes).toMatchObject([
        { node: 'n1', images: expect.any(Array) },
        { node: 'mute', error: { code: 'node_unreachable' } },
      ]);
    } finally {
      mute.close();
    }
  }, 60_000);

  it('a result that cannot be written is no success, and no stack trace', async () => {
    const { status, stderr } = await runCli(
      ['images', 'list', '--nodes', agent.address, '--token-file', agent.tokenFile, '-o', 'json'],
      {
        stdoutFile: '/dev/full',
      },
    );
    expect(status).toBe(1);
    expect(stderr).toContain('could not be written');
    expect(stderr).not.toContain('    at ');
  });

  it('nor is one that a command has at hand, and writes all at once', async () => {
    const { status, stderr } = await runCli(['completion', 'bash'], { stdoutFile: '/dev/full' });
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringContaining('could not be written'),
    });
  });

  it('a good archive, after all of these: it is imported, and then unchanged', async () => {
    const again = await importing(good);
    expect(again.status).toBe(0);
    expect(again.json.nodes[0]?.status).toBe('unchanged');
  });

  it('several archives at once, one of them from a pipe', async () => {
    const image = await randomImage({ seed: 'second' });
    const file = join(directory, 'second.tar');
    await writeFile(file, await tarOf(ociLayout([{ image, name: 'registry.example.com/team/second:1' }])));
    const { status, json } = await importing(good, file, '-');
    expect(status).toBe(0);
    expect(json).toMatchObject({
      archive: { images: [{ name: 'registry.example.com/team/second:1' }, { name }] },
    });
  });
});
