import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import { runCli } from '../support/cli.ts';

const hello = fileURLToPath(new URL('../../fixtures/hello.tar', import.meta.url));
const name = 'docker.io/imgctl/hello:1.0';

describe('imgctl images with an agent', () => {
  let dir: string;
  let agent: AgentProcess;
  let env: Record<string, string>;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'imgctl-cluster-test-'));
    agent = await startAgent({ store: `oci:${join(dir, 'store')}`, name: 'w1' });
    env = { IMGCTL_NODES: `w1=${agent.address}`, IMGCTL_TOKEN_FILE: agent.tokenFile };
  });
  afterAll(async () => {
    await agent?.stop();
    if (dir) await rm(dir, { recursive: true, force: true });
  });

  it('is quiet when it is told to, and does its work all the same', async () => {
    const quiet = await runCli(['image', 'import', '--quiet'], { env, inputFile: hello });
    expect(quiet).toMatchObject({ status: 0, stdout: '', stderr: '' });
    expect((await runCli(['images', 'ls', '-q'], { env })).stdout).toBe(`${name}\n`);
  });

  it('prints every event, and the result last, as lines of JSON', async () => {
    const { status, stdout, stderr } = await runCli(['images', 'import', hello, '-o', 'ndjson'], { env });
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events[0]).toMatchObject({ type: 'start', nodes: [{ name: 'w1', address: agent.address }] });
    expect(events.at(-1)).toMatchObject({
      type: 'result',
      ok: true,
      nodes: [{ node: 'w1', status: 'unchanged' }],
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  it('takes --tag for one archive only', async () => {
    const { status, stderr } = await runCli(['images', 'import', hello, hello, '--tag', 'a:1'], { env });
    expect(stderr).toContain('there are 2 archives');
    expect(status).toBe(2);
  });

  it('removes what is there, and says which name is nowhere', async () => {
    const { status, stdout, stderr } = await runCli(['images', 'rm', 'imgctl/hello:1.0', 'nowhere:1'], {
      env,
    });
    expect(stdout).toBe(`w1: removed ${name}\n`);
    expect(stderr).toContain('Error [image_unknown]: no node has an image docker.io/library/nowhere:1');
    expect(status).toBe(1);
  });

  it('lists some nodes when others are down: status 3', async () => {
    const nodes = `${env.IMGCTL_NODES},w2=127.0.0.1:1`;
    const { status, stdout } = await runCli(['images', 'list', '--nodes', nodes, '-o', 'json'], { env });
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      nodes: [
        { node: 'w1', images: [] },
        { node: 'w2', images: [], error: { code: 'node_unreachable' } },
      ],
    });
    expect(status).toBe(3);
  });

  it('is status 5 when no node trusts the token', async () => {
    const tokenFile = join(dir, 'wrong-token');
    await writeFile(tokenFile, 'not-the-token-of-this-agent');
    for (const args of [['list'], ['rm', 'a:1'], ['import', hello]]) {
      const { status, stderr } = await runCli(['images', ...args, '--token-file', tokenFile], { env });
      expect(stderr).toContain('Error [node_unauthorized]');
      expect(status).toBe(5);
    }
  });

  it('says that it uses the agent of this machine when no nodes are named', async () => {
    const { stderr } = await runCli(['images', 'list', '--token-file', agent.tokenFile]);
    expect(stderr).toContain('No nodes named (--nodes): using the agent of this machine, 127.0.0.1:25000.');
  });
});
