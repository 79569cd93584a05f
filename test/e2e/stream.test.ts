import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { constants, createZstdCompress } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Digest, digestOf } from '../../src/image/digest.ts';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import {
  blobMembers,
  blobOf,
  blobPath,
  indexOf,
  ociLayout,
  randomBytes,
  randomImage,
  type SingleImage,
  type TarMember,
  type TestImage,
  tarOf,
} from '../support/archives.ts';
import { becomes } from '../support/becomes.ts';
import { type RunningCli, runCli, startCli } from '../support/cli.ts';
import { heldPipe } from '../support/held-pipe.ts';

/** A pipe that is sent while it is read: the real program and real agents, and writers that hold the end back. */

const name = 'docker.io/library/piped:1';
const tokenText = 't'.repeat(32);
const extra = blobOf('', randomBytes(300_000, 'nobody needs it'));
let dir: string;
let token: string;
let image: SingleImage;
let layers: readonly Digest[];
const agents: AgentProcess[] = [];
const stores: string[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'imgctl-test-stream-'));
  token = join(dir, 'token');
  await writeFile(token, `${tokenText}\n`, { mode: 0o600 });
  image = await randomImage({ layers: 3, layerSize: 400_000, seed: 'stream' });
  layers = image.layers.map(({ descriptor }) => descriptor.digest);
});
afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.stop();
  stores.splice(0);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function agentNamed(name: string): Promise<AgentProcess> {
  const store = await mkdtemp(join(dir, `${name}-`));
  const agent = await startAgent({ store: `oci:${store}`, name, args: ['--token-file', token] });
  agents.push(agent);
  stores.push(store);
  return agent;
}

/** As docker, ctr and skopeo write it: blobs first, what they mean at the end. */
function layout(of: TestImage, ...others: TarMember[]): TarMember[] {
  const [marker, index, ...blobs] = ociLayout([{ image: of, name }]);
  if (marker === undefined || index === undefined) throw new Error('no layout');
  const layersFirst = blobs.toSorted((a, b) => (b.body?.length ?? 0) - (a.body?.length ?? 0));
  return [marker, ...layersFirst, ...others, index];
}

function importing(input: RunningOptions['input'], ...args: string[]): RunningCli {
  const nodes = agents.map(({ address }, i) => `n${i + 1}=${address}`).join(',');
  return startCli(['images', 'import', '--token-file', token, '--nodes', nodes, ...args], { input });
}
type RunningOptions = NonNullable<Parameters<typeof startCli>[1]>;

/** Those of the digests that a node has, as it says itself. */
async function held({ address }: AgentProcess, digests: readonly Digest[]): Promise<readonly Digest[]> {
  const answer = await fetch(`http://${address}/v1/blobs/have`, {
    method: 'POST',
    headers: { authorization: `Bearer ${tokenText}`, 'content-type': 'application/json' },
    body: JSON.stringify({ digests }),
  });
  return ((await answer.json()) as { digests: Digest[] }).digests;
}

const holdsAll = (agent: AgentProcess, digests = layers) =>
  becomes(
    () => held(agent, digests),
    (has) => has.length === digests.length,
  );

/** What the embedded store of a node has beside images: leases, unfinished writes; and its blobs. */
async function leftIn(store: string): Promise<readonly string[]> {
  const folders = ['.imgctl/leases', '.imgctl/ingest', 'blobs/sha256'];
  const names = await Promise.all(folders.map((folder) => readdir(join(store, folder)).catch(() => [])));
  return names.flat();
}

async function activeImports({ address }: AgentProcess): Promise<string | undefined> {
  const text = await (await fetch(`http://${address}/metrics`)).text();
  return /^imgctl_imports_active (\d+)$/m.exec(text)?.[1];
}

interface Outcome {
  readonly status: string;
  readonly bytesSent: number;
  readonly bytesFromPeers: number;
  readonly bytesSkipped: number;
  readonly bytesUnneeded?: number;
}
const outcomes = (stdout: string) => (JSON.parse(stdout) as { nodes: Outcome[] }).nodes;
const lines = (stdout: string) =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { type: string; archive?: object });
const imageBytes = () => image.blobs.reduce((sum, { descriptor }) => sum + descriptor.size, 0);

describe('a pipe', () => {
  it('is sent while it is read: nodes have its layers before their images are known', async () => {
    const node = await agentNamed('n1');
    const pipe = await heldPipe(layout(image), 'index.json');
    const running = importing(pipe.input, '--output', 'ndjson');
    await holdsAll(node);
    const early = lines(running.printed().stdout).map(({ type }) => type);
    pipe.finish();
    const { status, stdout } = await running.result;
    expect(status).toBe(0);
    expect(early).toContain('start');
    expect(early).not.toContain('archive');
    expect(lines(stdout)).toContainEqual({ type: 'archive', archive: expect.anything() });
    expect(lines(stdout).at(-1)).toMatchObject({
      type: 'result',
      ok: true,
      archive: { images: [{ name }] },
      nodes: [{ status: 'imported', bytesSent: imageBytes(), bytesSkipped: 0, images: [{ state: 'ready' }] }],
    });
    expect(stdout).not.toContain('bytesUnneeded');
  });

  it('is sent while it is read also where it is compressed', async () => {
    const node = await agentNamed('n1');
    const pipe = await heldPipe(layout(image), 'index.json');
    const compressed = createZstdCompress({ flush: constants.ZSTD_e_flush });
    pipe.input.pipe(compressed);
    const running = importing(compressed, '--output', 'json');
    await holdsAll(node);
    pipe.finish();
    const { status, stdout } = await running.result;
    expect([status, outcomes(stdout)[0]?.status]).toEqual([0, 'imported']);
  });

  it('is read to its end first with --no-stream', async () => {
    const node = await agentNamed('n1');
    const pipe = await heldPipe(layout(image), 'index.json');
    const running = importing(pipe.input, '--output', 'ndjson', '--no-stream');
    await becomes(
      () => pipe.input.readableLength,
      (left) => left === 0,
    );
    expect(await held(node, layers)).toEqual([]);
    pipe.finish();
    const { status, stdout } = await running.result;
    expect(status).toBe(0);
    const [first] = lines(stdout).filter(({ type }) => type !== 'note');
    expect(first).toMatchObject({ type: 'start', archive: { images: [{ name }] } });
    expect(lines(stdout).map(({ type }) => type)).not.toContain('archive');
  });

  it('sends nothing that the node has, and says so', async () => {
    const node = await agentNamed('n1');
    const whole = await tarOf(layout(image));
    await importing(whole).result;
    const pipe = await heldPipe(layout(image), 'index.json');
    const running = importing(pipe.input, '--output', 'json');
    pipe.finish();
    const { status, stdout } = await running.result;
    expect(status).toBe(0);
    expect(outcomes(stdout)).toMatchObject([
      { status: 'unchanged', bytesSent: 0, bytesSkipped: imageBytes() },
    ]);
    expect(await activeImports(node)).toBe('0');
  });

  it('may bring what no image needs: that is counted, and not kept', async () => {
    const node = await agentNamed('n1');
    const members = layout(image, ...blobMembers([extra]));
    const pipe = await heldPipe(members, 'index.json');
    const running = importing(pipe.input, '--output', 'json');
    await holdsAll(node, [...layers, extra.descriptor.digest]);
    pipe.finish();
    const { status, stdout } = await running.result;
    expect(status).toBe(0);
    const { size, digest } = extra.descriptor;
    expect(outcomes(stdout)).toMatchObject([
      { status: 'imported', bytesSent: imageBytes() + size, bytesSkipped: 0, bytesUnneeded: size },
    ]);
    await becomes(
      () => held(node, [digest]),
      (has) => has.length === 0,
    );

    const again = await heldPipe(members, 'index.json');
    const second = importing(again.input);
    await holdsAll(node, [digest]);
    again.finish();
    const { stdout: told } = await second.result;
    expect(told).toMatch(/Unchanged: 1 image already on 1 node\. .*KiB went there before that was known\./);
  });

  it('may bring platforms that the node does not run: they are counted', async () => {
    await agentNamed('n1');
    const other = await randomImage({
      layers: 1,
      layerSize: 200_000,
      platform: 'linux/s390x',
      seed: 'other',
    });
    const both = indexOf([image, other]);
    const pipe = await heldPipe(layout(both), 'index.json');
    const running = importing(pipe.input, '--output', 'json');
    await holdsAll(agents[0] as AgentProcess, [other.layers[0]?.descriptor.digest ?? digestOf(Buffer.of())]);
    pipe.finish();
    const { status, stdout } = await running.result;
    expect(status).toBe(0);
    expect(outcomes(stdout)).toMatchObject([
      { status: 'imported', bytesUnneeded: other.layers[0]?.descriptor.size },
    ]);
  });

  it('may be silent for longer than a node may', async () => {
    const node = await agentNamed('n1');
    const pipe = await heldPipe(layout(image), blobPath(layers[2] as Digest));
    const running = importing(pipe.input, '--output', 'json', '--stall-timeout', '500ms', '--retries', '0');
    await holdsAll(node, layers.slice(0, 2));
    await sleep(2_000);
    pipe.finish();
    const { status, stdout } = await running.result;
    expect([status, outcomes(stdout)[0]?.status]).toEqual([0, 'imported']);
  });

  it('goes on to a node whose agent was restarted meanwhile, with what it has', async () => {
    const node = await agentNamed('n1');
    const pipe = await heldPipe(layout(image), blobPath(layers[2] as Digest));
    const running = importing(pipe.input, '--output', 'ndjson');
    await holdsAll(node, layers.slice(0, 2));
    await node.kill('SIGKILL');
    await node.restart();
    await becomes(
      () => running.printed().stdout,
      (text) => text.includes('"type":"retry"'),
    );
    pipe.finish();
    const { status, stdout } = await running.result;
    expect(status).toBe(0);
    expect(lines(stdout).at(-1)).toMatchObject({
      nodes: [{ status: 'imported', bytesSent: imageBytes(), bytesSkipped: 0 }],
    });
  });

  it('that ends too early is refused, and nothing is left on the nodes', async () => {
    for (const name of ['n1', 'n2']) await agentNamed(name);
    const pipe = await heldPipe(layout(image), blobPath(layers[2] as Digest), 100_000);
    const running = importing(pipe.input, '--output', 'json');
    for (const agent of agents) await holdsAll(agent, layers.slice(0, 2));
    pipe.breakOff();
    const { status, stdout } = await running.result;
    expect([status, JSON.parse(stdout)]).toMatchObject([
      4,
      { ok: false, error: { code: 'archive_truncated' }, nodes: [] },
    ]);
    for (const agent of agents) expect(await activeImports(agent)).toBe('0');
    for (const store of stores) expect(await leftIn(store)).toEqual([]);
  });

  it('whose images are for another platform is refused by the node, and nothing is left there', async () => {
    const node = await agentNamed('n1');
    const other = await randomImage({
      layers: 1,
      layerSize: 200_000,
      platform: 'linux/s390x',
      seed: 'alone',
    });
    const pipe = await heldPipe(layout(other), 'index.json');
    const running = importing(pipe.input, '--output', 'json');
    await holdsAll(
      node,
      other.layers.map(({ descriptor }) => descriptor.digest),
    );
    pipe.finish();
    const { status, stdout } = await running.result;
    expect([status, outcomes(stdout)]).toMatchObject([
      4,
      [{ status: 'refused', error: { code: 'platform_missing' } }],
    ]);
    expect(await leftIn(stores[0] ?? '')).toEqual([]);
  });

  it('without an index is refused, and nothing is left on the nodes', async () => {
    const node = await agentNamed('n1');
    const pipe = await heldPipe([...layout(image).slice(0, -1), { name: 'end', body: 'x' }], 'end');
    const running = importing(pipe.input);
    await holdsAll(node);
    pipe.finish();
    const { status, stderr } = await running.result;
    expect([status, stderr]).toEqual([4, expect.stringContaining('archive_no_images')]);
    expect(await leftIn(stores[0] ?? '')).toEqual([]);
  });

  it('with a damaged blob sends nothing of that blob', async () => {
    const node = await agentNamed('n1');
    const spoilt = layout(image).map((member) =>
      member.name === blobPath(layers[2] as Digest)
        ? { ...member, body: Buffer.from(member.body as Buffer).fill(0, 1000, 2000) }
        : member,
    );
    const pipe = await heldPipe(spoilt, 'index.json');
    const running = importing(pipe.input, '--output', 'json', '--retries', '0');
    await holdsAll(node, layers.slice(0, 2));
    pipe.finish();
    const { status, stdout } = await running.result;
    expect([status, JSON.parse(stdout)]).toMatchObject([
      1,
      { nodes: [{ error: { code: 'digest_mismatch', context: { phase: 'archive' } } }] },
    ]);
  });

  it('is read to its end although every node is down: its writer is not cut off', async () => {
    const node = await agentNamed('n1');
    await node.kill('SIGKILL');
    const pipe = await heldPipe(layout(image), 'index.json');
    const running = importing(pipe.input, '--output', 'ndjson', '--retries', '0');
    await becomes(
      () => running.printed().stdout,
      (text) => text.includes('"type":"outcome"'),
    );
    pipe.finish();
    const { stdout } = await running.result;
    expect(lines(stdout).at(-1)).toMatchObject({ ok: false, archive: { images: [{ name }] } });
  });

  it('leaves what arrived for the next try where it is interrupted', async () => {
    const node = await agentNamed('n1');
    const pipe = await heldPipe(layout(image), 'index.json');
    const running = importing(pipe.input, '--output', 'json');
    await holdsAll(node);
    running.kill('SIGINT');
    const { status, stdout } = await running.result;
    expect([status, JSON.parse(stdout)]).toMatchObject([
      130,
      { error: { code: 'interrupted' }, nodes: [{ status: 'failed', error: { code: 'interrupted' } }] },
    ]);
    expect(await held(node, layers)).toHaveLength(layers.length);
  });

  it('goes from node to node with --relay auto', async () => {
    for (const name of ['n1', 'n2']) await agentNamed(name);
    const pipe = await heldPipe(layout(image, ...blobMembers([extra])), 'index.json');
    const running = importing(pipe.input, '--output', 'json', '--relay', 'auto');
    for (const agent of agents) await holdsAll(agent, [...layers, extra.descriptor.digest]);
    pipe.finish();
    const { status, stdout } = await running.result;
    expect(status).toBe(0);
    const { size } = extra.descriptor;
    expect(outcomes(stdout)).toMatchObject(
      [1, 2].map(() => ({ status: 'imported', bytesSkipped: 0, bytesUnneeded: size })),
    );
    const fromPeers = outcomes(stdout).reduce((sum, { bytesFromPeers }) => sum + bytesFromPeers, 0);
    expect(fromPeers).toBeGreaterThan(0);
  });

  it('goes on from node to node without one that is killed, and to that one when it is back', async () => {
    for (const name of ['n1', 'n2', 'n3']) await agentNamed(name);
    const pipe = await heldPipe(layout(image), blobPath(layers[1] as Digest));
    const running = importing(pipe.input, '--output', 'json', '--relay', 'auto', '--retries', '8');
    for (const agent of agents) await holdsAll(agent, layers.slice(0, 1));
    const [, killed] = agents as [AgentProcess, AgentProcess];
    await killed.kill('SIGKILL');
    pipe.finish();
    for (const agent of [agents[0], agents[2]]) if (agent !== undefined) await holdsAll(agent);
    await killed.restart();
    const { status, stdout } = await running.result;
    expect([status, outcomes(stdout).map(({ status }) => status)]).toEqual([
      0,
      ['imported', 'imported', 'imported'],
    ]);
    expect(outcomes(stdout).map(({ bytesSkipped }) => bytesSkipped)).toEqual([0, 0, 0]);
  });

  it('with --strict or --dry-run sends nothing before all of it is known', async () => {
    await agentNamed('n1');
    const whole = await tarOf(layout(image));
    const strict = await importing(whole, '--output', 'ndjson', '--strict').result;
    expect(lines(strict.stdout)[0]).toMatchObject({ type: 'start', archive: { images: [{ name }] } });
    const preview = await runCli(
      ['images', 'import', '--dry-run', '--token-file', token, '--nodes', agents[0]?.address ?? ''],
      { input: whole },
    );
    expect([preview.status, preview.stdout]).toEqual([0, expect.stringContaining('unchanged')]);
  });
});
