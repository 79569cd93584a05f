import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CommandContext } from '../../src/cli/context.ts';
import { type PushOptions, push } from '../../src/cli/push.ts';
import type { FanOutNode } from '../../src/distribute/fan-out-options.ts';
import { createPlainReporter } from '../../src/output/plain.ts';
import { createMemoryStore } from '../../src/store/memory/memory-store.ts';
import { createLocalNode } from '../../src/transfer/local-node.ts';
import { Captured } from '../output/captured.ts';
import { ociLayout, randomImage, tarOf } from '../support/archives.ts';

const amd64 = [{ os: 'linux', architecture: 'amd64' }];

function nodeNamed(name: string, runtime: string): FanOutNode {
  const store = createMemoryStore({ platforms: amd64 });
  const cluster = { ready: true, cordoned: false, platform: 'linux/amd64', runtime };
  return {
    ...{ name, address: `${name}:25000`, cluster },
    node: createLocalNode(store, { name, owner: name, version: '0' }),
  };
}

describe('importing into a cluster of which some nodes do not run containerd', () => {
  let dir: string;
  let path: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'imgctl-preflight-test-'));
    path = join(dir, 'app.tar');
    await writeFile(
      path,
      await tarOf(ociLayout([{ image: await randomImage(), name: 'docker.io/library/app:1' }])),
    );
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  async function run(nodes: readonly FanOutNode[], more: Partial<PushOptions> = {}) {
    const [stdout, stderr] = [new Captured(), new Captured()];
    const io = { env: {}, stdin: Readable.from([]), stdout, stderr, signal: new AbortController().signal };
    const options: PushOptions = {
      ...{ output: 'text', progress: true, color: false, retries: 0, stallTimeout: 5_000, concurrency: 2 },
      ...{ unpack: true, ...more },
    };
    const reporter = createPlainReporter({ stdout, stderr });
    const inputs = [{ kind: 'path' as const, path }];
    const status = await push({ inputs, nodes, options, reporter }, new CommandContext(io, []));
    return { status, stdout: stdout.text, stderr: stderr.text };
  }

  const crio = () => nodeNamed('crio', 'cri-o://1.30.4');
  const docker = () => nodeNamed('docker', 'docker://27.0.3');
  const well = () => nodeNamed('well', 'containerd://1.7.24');

  it('goes on to the others: status 3', async () => {
    const { status, stdout, stderr } = await run([crio(), well(), docker()]);
    expect(stderr).toContain(
      [
        'Not fit: 2 of 3 nodes',
        '  crio: refused (runtime_unsupported): it runs CRI-O 1.30.4, imgctl needs containerd',
        '  docker: refused (runtime_unsupported): it runs Docker (through cri-dockerd) 27.0.3, imgctl needs containerd',
      ].join('\n'),
    );
    expect(stdout).toMatch(/^well +imported/m);
    expect(stdout).toContain('1 of 3 nodes has everything');
    expect(status).toBe(3);
  });

  it('is refused with --strict, and where no node does: status 4', async () => {
    expect(await run([crio(), well()], { strict: true })).toMatchObject({ status: 4 });
    expect(await run([crio(), docker()])).toMatchObject({ status: 4 });
    expect(await run([crio(), docker()], { dryRun: true })).toMatchObject({ status: 4 });
    expect(await run([crio(), well()], { dryRun: true })).toMatchObject({ status: 3 });
  });
});
