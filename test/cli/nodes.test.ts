import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AgentProcess, freePort, startAgent } from '../support/agent-process.ts';
import { runCli, startCli } from '../support/cli.ts';

describe('imgctl nodes list', () => {
  let dir: string;
  let agents: AgentProcess[] = [];
  let env: Record<string, string>;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'imgctl-nodes-test-'));
    const tokenFile = join(dir, 'token');
    await writeFile(tokenFile, 'the-token-of-this-cluster\n', { mode: 0o600 });
    agents = await Promise.all(
      ['w1', 'w2'].map((name) =>
        startAgent({ store: `oci:${join(dir, name)}`, name, args: ['--token-file', tokenFile] }),
      ),
    );
    const nodes = agents.map(({ address }, i) => `w${i + 1}=${address}`).join(',');
    env = { IMGCTL_NODES: nodes, IMGCTL_TOKEN_FILE: tokenFile };
  });
  afterAll(async () => {
    await Promise.all(agents.map((agent) => agent.stop()));
    if (dir) await rm(dir, { recursive: true, force: true });
  });

  it('tells of each node what its agent is, and how far it is', async () => {
    const { status, stdout, stderr } = await runCli(['nodes', 'list', '--output', 'json'], { env });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const { ok, nodes } = JSON.parse(stdout);
    expect(ok).toBe(true);
    expect(nodes).toMatchObject(
      agents.map(({ address }, i) => ({
        node: `w${i + 1}`,
        address,
        platform: expect.stringMatching(/^linux\//),
        agent: expect.stringMatching(/^\d/),
        store: { kind: 'oci', namespace: 'k8s.io' },
        trust: 'plain',
      })),
    );
    for (const { freeBytes, roundTripMs } of nodes) {
      expect(freeBytes).toBeGreaterThan(0);
      expect(roundTripMs).toBeGreaterThan(0);
      expect(roundTripMs).toBeLessThan(5_000);
    }
  });

  it('lists a node without an agent too, as it was named, and says how to get one there: status 3', async () => {
    const nodes = `down=127.0.0.1:1,${env.IMGCTL_NODES}`;
    const { status, stdout, stderr } = await runCli(['nodes', 'ls', '--nodes', nodes], { env });
    const lines = stdout.trimEnd().split('\n');
    expect(lines.map((line) => line.split(/\s+/)[0])).toEqual(['NODE', 'down', 'w1', 'w2']);
    expect(lines[1]).toMatch(/^down +127\.0\.0\.1:1( +-){8}$/);
    expect(stderr).toMatch(
      /^ {2}down: node_unreachable: .* nothing listens there\n {2}Hint: Start the agent/m,
    );
    expect(status).toBe(3);
  });

  it('says how a node is trusted, until when, and which is not', async () => {
    const [ours, others] = [join(dir, 'ours'), join(dir, 'others')];
    for (const made of [ours, others])
      expect(await runCli(['init', '--dir', made])).toMatchObject({ status: 0 });
    const files = [join(ours, 'agent.crt'), join(ours, 'agent.key'), join(ours, 'token')] as const;
    const [port, tokenFile] = [await freePort(), files[2]];
    const secured = startCli(
      [
        ...['agent', 'run', '--listen', `127.0.0.1:${port}`, '--store', `oci:${join(dir, 'w3')}`],
        ...['--data-dir', join(dir, 'data3'), '--token-file', tokenFile],
        ...['--tls-cert', files[0], '--tls-key', files[1]],
      ],
      { timeoutMs: 60_000 },
    );
    try {
      const list = (caFile: string) =>
        runCli([
          ...['nodes', 'list', '--nodes', `w3=127.0.0.1:${port}`, '--token-file', tokenFile],
          ...['--ca-file', caFile, '--output', 'json'],
        ]);
      await expect.poll(async () => (await list(join(ours, 'ca.crt'))).status, { timeout: 20_000 }).toBe(0);
      const { nodes } = JSON.parse((await list(join(ours, 'ca.crt'))).stdout);
      expect(nodes).toMatchObject([
        { node: 'w3', trust: 'tls', certificateEnds: expect.stringMatching(/^20\d\d-/) },
      ]);
      const stranger = await list(join(others, 'ca.crt'));
      expect(JSON.parse(stranger.stdout).nodes).toMatchObject([
        { node: 'w3', trust: 'untrusted', error: { code: 'node_untrusted' } },
      ]);
      expect(stranger.status).toBe(5);
    } finally {
      secured.kill('SIGKILL');
      await secured.result;
    }
  });

  it('prints names alone with --quiet', async () => {
    expect(await runCli(['node', 'list', '-q'], { env })).toMatchObject({
      status: 0,
      stdout: 'w1\nw2\n',
      stderr: '',
    });
  });

  it('ends with one line of ndjson', async () => {
    const { stdout } = await runCli(['nodes', 'list', '-o', 'ndjson'], { env });
    const last = stdout.trimEnd().split('\n').at(-1) ?? '';
    expect(JSON.parse(last)).toMatchObject({
      type: 'result',
      ok: true,
      nodes: [{ node: 'w1' }, { node: 'w2' }],
    });
  });

  it('is status 4 where no node has an agent, and 5 where none trusts the token', async () => {
    const none = await runCli(['nodes', 'list', '--nodes', '127.0.0.1:1,127.0.0.1:2'], { env });
    expect(none.status).toBe(4);
    const tokenFile = join(dir, 'wrong');
    await writeFile(tokenFile, 'another-token');
    const stranger = await runCli(['nodes', 'list', '--token-file', tokenFile, '-o', 'json'], { env });
    expect(stranger.status).toBe(5);
    expect(JSON.parse(stranger.stdout)).toMatchObject({
      ok: false,
      nodes: [{ trust: 'unauthorized' }, { trust: 'unauthorized', error: { code: 'node_unauthorized' } }],
    });
  });
});
