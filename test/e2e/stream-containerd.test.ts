import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import { blobMembers, blobOf, blobPath, ociLayout, randomBytes, randomImage } from '../support/archives.ts';
import { becomes } from '../support/becomes.ts';
import { startCli } from '../support/cli.ts';
import { type ContainerdDaemon, startContainerd } from '../support/containerd/daemon.ts';
import { heldPipe } from '../support/held-pipe.ts';
import { containerdGenerations } from '../support/require-containerd.ts';

/** A pipe that is sent while it is read, into a real containerd: what stays there, and what does not. */

const generation = containerdGenerations.at(-1);
const name = 'registry.example.com/team/piped:1';
const extra = blobOf('', randomBytes(200_000, 'extra'));

describe.skipIf(generation === undefined)('a pipe into a real containerd', () => {
  let daemon: ContainerdDaemon;
  let agent: AgentProcess;
  let directory: string;
  let tokenFile: string;

  beforeAll(async () => {
    if (generation === undefined) return;
    directory = await mkdtemp(join(tmpdir(), 'imgctl-test-stream-containerd-'));
    tokenFile = join(directory, 'token');
    await writeFile(tokenFile, `${'t'.repeat(32)}\n`, { mode: 0o600 });
    daemon = await startContainerd(generation);
    const args = ['--token-file', tokenFile];
    agent = await startAgent({ store: `containerd:${daemon.socket}`, name: 'n1', args });
  }, 60_000);
  afterAll(async () => {
    await agent.stop();
    await daemon.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const contents = async () => (await daemon.ctr(['-n', 'k8s.io', 'content', 'ls', '-q'])).stdout;

  it('that breaks off leaves no lease, no ingest and no blob', async () => {
    const image = await randomImage({ layers: 2, layerSize: 300_000, seed: 'broken' });
    const [first, second] = image.layers.map(({ descriptor }) => descriptor.digest);
    const [marker, index] = ociLayout([{ image, name }]);
    const members = [marker, ...blobMembers(image.blobs.toReversed()), index].flatMap((one) => one ?? []);
    const inOrder = members.toSorted((a, b) => Number(a === index) - Number(b === index));
    const last = inOrder.findLast(({ name }) => [first, second].some((one) => one && name === blobPath(one)));
    const pipe = await heldPipe(inOrder, last?.name ?? '', 100_000);
    const args = ['images', 'import', '--nodes', agent.address, '--token-file', tokenFile];
    const running = startCli(args, { input: pipe.input });
    await becomes(contents, (text) => [first, second].some((digest) => digest && text.includes(digest)));
    expect(await daemon.leases('k8s.io')).toHaveLength(1);
    pipe.breakOff();
    expect(await running.result).toMatchObject({
      status: 4,
      stderr: expect.stringContaining('archive_truncated'),
    });
    expect(await daemon.leases('k8s.io')).toEqual([]);
    expect(await daemon.ingests('k8s.io')).toEqual([]);
    await becomes(contents, (text) => !text.includes('sha256:'));
    expect((await daemon.ctr(['-n', 'k8s.io', 'images', 'ls', '-q'])).stdout).toBe('');
  }, 60_000);

  it('brings its images, and keeps nothing that none of them needs', async () => {
    const image = await randomImage({ layers: 2, layerSize: 300_000, seed: 'whole' });
    const [marker, index, ...blobs] = ociLayout([{ image, name }]);
    const members = [marker, ...blobMembers([extra]), ...blobs, index].flatMap((one) => one ?? []);
    const pipe = await heldPipe(members, 'index.json');
    const args = ['images', 'import', '--nodes', agent.address, '--token-file', tokenFile];
    const running = startCli([...args, '--output', 'json'], { input: pipe.input });
    await becomes(contents, (text) => text.includes(extra.descriptor.digest));
    pipe.finish();
    const { status, stdout } = await running.result;
    expect([status, JSON.parse(stdout).nodes]).toMatchObject([
      0,
      [{ status: 'imported', bytesUnneeded: extra.descriptor.size, images: [{ name, state: 'ready' }] }],
    ]);
    expect(await daemon.leases('k8s.io')).toEqual([]);
    expect(await daemon.ingests('k8s.io')).toEqual([]);
    expect((await daemon.ctr(['-n', 'k8s.io', 'images', 'ls', '-q'])).stdout.split('\n')).toContain(name);
    await becomes(contents, (text) => !text.includes(extra.descriptor.digest));
    for (const { digest } of image.blobs.map(({ descriptor }) => descriptor))
      expect(await contents()).toContain(digest);
  }, 60_000);
});
