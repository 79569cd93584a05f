import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { ImportNode } from '../../src/agent-api/import-node.ts';
import type { ArchiveNode, ArchiveSending } from '../../src/distribute/archive-node.ts';
import { distribute, previewDistribution } from '../../src/distribute/fan-out.ts';
import type { FanOutNode, FanOutOptions } from '../../src/distribute/fan-out-options.ts';
import { ImgctlError } from '../../src/errors.ts';
import { createMemoryStore } from '../../src/store/memory/memory-store.ts';
import { createLocalNode } from '../../src/transfer/local-node.ts';
import { type RecordedRun, recordedRun } from '../distribute/recorded-run.ts';
import { imageOf, indexOf } from '../support/blobs.ts';
import { memorySource } from '../support/memory-source.ts';

const image = imageOf([Buffer.alloc(100_000, 'a'), 'b']);
const arm64 = { os: 'linux', architecture: 'arm64' };
const amd64 = { os: 'linux', architecture: 'amd64' };
const never = () => new Promise<never>(() => {});

/** Rejects as a connection does that is aborted. */
function until(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
}

function archiveNode(own: Partial<ArchiveNode> = {}): ArchiveNode & { imports: number } {
  const node = {
    imports: 0,
    deadlineMs: 240_000,
    check: async () => undefined,
    import: async (_: unknown, sending: ArchiveSending) => {
      sending.onLength(1000);
      sending.onBytes(1000);
      sending.onSent();
    },
    ...own,
  };
  const inner = node.import;
  node.import = (images, sending) => {
    node.imports += 1;
    return inner(images, sending);
  };
  return node;
}

function nodeOf(name: string, archives: ArchiveNode, cluster?: FanOutNode['cluster']): FanOutNode {
  const node: ImportNode = { describe: never, openImport: never, previewImport: never };
  return { name, address: `${name}:25000`, node, cluster, findArchiveNode: async () => archives };
}

function ownNode(name: string): FanOutNode {
  const store = createMemoryStore({ platforms: [amd64] });
  const node = createLocalNode(store, { name, owner: name, version: '0' });
  return { name, address: `${name}:25000`, node, findArchiveNode: async () => undefined };
}

function options(nodes: readonly FanOutNode[], more: Partial<FanOutOptions> = {}): RecordedRun {
  return recordedRun(
    nodes,
    memorySource([{ name: 'docker.io/library/app:1', target: image.target }], image.blobs),
    more,
  );
}

describe('a node that takes whole archives', () => {
  it('has an outcome as every node, beside agents of ours, with what it cannot tell', async () => {
    const run = options([nodeOf('mk', archiveNode()), ownNode('own')], {
      declaration: { pin: true, unpack: false },
    });

    const [mk, own] = await distribute(run);

    expect(mk).toMatchObject({
      status: 'imported',
      bytesSent: 1000,
      images: [{ name: 'docker.io/library/app:1', digest: image.target.digest, state: 'ready' }],
    });
    expect(mk?.warnings).toEqual([
      expect.stringContaining('its platform is not known: the images are for linux/amd64'),
      expect.stringContaining('--pin'),
      expect.stringContaining('--no-unpack'),
      expect.stringContaining('its image store cannot be asked'),
    ]);
    expect(own).toMatchObject({ status: 'imported', warnings: [] });
    expect(run.events).toContainEqual(
      expect.objectContaining({ type: 'progress', node: 'mk', receivedBytes: 1000, missingBytes: 1000 }),
    );
    const phases = run.events.flatMap((event) =>
      event.type === 'phase' && event.node === 'mk' ? event.phase : [],
    );
    expect(phases.slice(-4)).toEqual(['checking', 'sending', 'unpacking', 'finished']);
  });

  it('is told with the time that it took to find out what it is', async () => {
    const slow = { ...ownNode('own'), findArchiveNode: () => sleep<undefined>(150) };

    const [outcome] = await distribute(options([slow]));

    expect(outcome?.durationMs).toBeGreaterThanOrEqual(149);
  });

  it('is refused before a byte is sent where the archive has not its platform', async () => {
    const archives = archiveNode();
    const cluster = { ready: true, cordoned: false, platform: 'linux/arm64' };

    const [outcome] = await distribute(options([nodeOf('mk', archives, cluster)]));

    expect(outcome).toMatchObject({ status: 'refused', bytesSent: 0, error: { code: 'platform_missing' } });
    const { source: fromArchive } = options([]);
    const pulled = options([nodeOf('mk', archives, cluster)], {
      source: { ...fromArchive, keptIn: 'registry' },
    });
    expect(await distribute(pulled)).toMatchObject([{ error: { hint: expect.stringContaining('push') } }]);
    expect(archives.imports).toBe(0);
  });

  it('is refused where its platform was not saved, or a layer of it is missing', async () => {
    const other = imageOf(['x'], arm64);
    const index = indexOf([
      { image, platform: amd64 },
      { image: other, platform: arm64 },
    ]);
    const archives = archiveNode();
    const cluster = { ready: true, cordoned: false, platform: 'linux/arm64' };
    const without = (gone: string) =>
      options([nodeOf('mk', archives, cluster)], {
        source: memorySource(
          [{ name: 'docker.io/library/app:1', target: index.target }],
          index.blobs.filter(({ descriptor }) => descriptor.digest !== gone),
        ),
      });

    const [unsaved] = await distribute(without(other.target.digest));
    const [partial] = await distribute(without(other.layers[0]?.descriptor.digest ?? ''));

    expect(unsaved).toMatchObject({ status: 'refused', error: { code: 'platform_missing' } });
    expect(partial).toMatchObject({ status: 'refused', error: { code: 'archive_incomplete' } });
    expect(archives.imports).toBe(0);
  });

  it('gets every whole platform where nobody says what it runs, and its own alone where the cluster does', async () => {
    const other = imageOf(['x'], arm64);
    const index = indexOf([
      { image, platform: amd64 },
      { image: other, platform: arm64 },
    ]);
    const seen: number[] = [];
    const archives = archiveNode({
      import: async (images) => {
        seen.push(images[0]?.graph.manifests.length ?? 0);
      },
    });
    const source = memorySource([{ name: 'docker.io/library/app:1', target: index.target }], index.blobs);
    const cluster = { ready: true, cordoned: false, platform: 'linux/arm64' };

    await distribute(options([nodeOf('unknown', archives)], { source }));
    await distribute(options([nodeOf('known', archives, cluster)], { source }));

    expect(seen).toEqual([2, 1]);
  });

  it('is refused a platform that was named and is not its own', async () => {
    const cluster = { ready: true, cordoned: false, platform: 'linux/arm64' };
    const run = options([nodeOf('mk', archiveNode(), cluster)], {
      declaration: { platforms: ['linux/amd64'] },
    });

    const [outcome] = await distribute(run);

    expect(outcome).toMatchObject({ status: 'refused', error: { code: 'platform_missing' } });
  });

  it('is tried again when the connection broke, and not when it said that it failed', async () => {
    const broken = archiveNode({
      import: async () => {
        throw new ImgctlError('node_unreachable', 'broke', { context: { phase: 'send' } });
      },
    });
    const failing = archiveNode({
      import: async () => {
        throw new ImgctlError('store_failed', 'exit status 1', { hint: 'See there.' });
      },
    });

    const [first, second] = await distribute(
      options([nodeOf('broken', broken), nodeOf('failing', failing)], { retries: 1 }),
    );

    expect([broken.imports, failing.imports]).toEqual([2, 1]);
    expect(first).toMatchObject({ status: 'failed', error: { code: 'node_unreachable' } });
    expect(second?.error?.hint).toMatch(/What was sent is whole, for linux\/amd64.*See there\./);
  });

  it('that takes no byte for the stall timeout is node_stalled', async () => {
    const archives = archiveNode({ import: (_, { signal }) => until(signal) });

    const [outcome] = await distribute(options([nodeOf('mk', archives)], { stallTimeoutMs: 50 }));

    expect(outcome).toMatchObject({
      status: 'failed',
      error: { code: 'node_stalled', context: { phase: 'send' } },
    });
  });

  it('may take its time once it has everything, beyond the stall timeout', async () => {
    const archives = archiveNode({
      import: async (_, { onSent }) => {
        onSent();
        await new Promise((resolve) => setTimeout(resolve, 300));
      },
    });

    const [outcome] = await distribute(options([nodeOf('mk', archives)], { stallTimeoutMs: 50 }));

    expect(outcome).toMatchObject({ status: 'imported' });
  });

  it('may answer before the last of its archive is seen to be sent', async () => {
    const late = Promise.withResolvers<void>();
    const archives = archiveNode({
      import: async (_, { onSent }) => {
        setTimeout(() => {
          onSent();
          late.resolve();
        }, 10);
      },
    });
    const run = options([nodeOf('mk', archives)]);

    const [outcome] = await distribute(run);
    await late.promise;

    expect(outcome).toMatchObject({ status: 'imported' });
    expect(run.events.at(-1)).toMatchObject({ type: 'outcome' });
  });

  it('is not left waiting for ever, nor sent everything again, when it never answers', async () => {
    const archives = archiveNode({
      deadlineMs: -29_900,
      import: (_, { signal, onSent }) => {
        onSent();
        return until(signal);
      },
    });

    const [outcome] = await distribute(options([nodeOf('mk', archives)], { retries: 3 }));

    expect(outcome).toMatchObject({ error: { code: 'node_stalled', context: { phase: 'import' } } });
    expect(archives.imports).toBe(1);
  });

  it('is warned of when its deadline comes near at the rate so far', async () => {
    const archives = archiveNode({
      deadlineMs: 20_000,
      import: async (_, { onLength, onBytes, onSent }) => {
        onLength(100);
        await new Promise((resolve) => setTimeout(resolve, 3_100));
        onBytes(10);
        onBytes(10);
        onBytes(80);
        onSent();
      },
    });

    const [outcome] = await distribute(options([nodeOf('mk', archives)]));

    expect(outcome?.warnings[0]).toMatch(
      /sending takes about \d+ s at this rate, and its deadline .* is 20 s/,
    );
    expect(outcome?.warnings.filter((text) => text.startsWith('sending'))).toHaveLength(1);
  });

  it('gets nothing with --strict while another node is unfit', async () => {
    const archives = archiveNode();
    const unfit = archiveNode({
      check: async () => {
        throw new ImgctlError('node_untrusted', 'stranger');
      },
    });

    const outcomes = await distribute(
      options([nodeOf('fit', archives), nodeOf('stranger', unfit)], { strict: true }),
    );

    expect(outcomes.map(({ error }) => error?.code)).toEqual(['held_back', 'node_untrusted']);
    expect(archives.imports).toBe(0);
  });

  it('whose way to be spoken to is not known fails by itself', async () => {
    const lost: FanOutNode = {
      ...nodeOf('lost', archiveNode()),
      findArchiveNode: async () => {
        throw new ImgctlError('node_unauthorized', 'no token');
      },
    };

    const [outcome, other] = await distribute(options([lost, ownNode('own')]));

    expect(outcome).toMatchObject({ status: 'failed', error: { code: 'node_unauthorized' } });
    expect(other).toMatchObject({ status: 'imported' });
  });

  it('would be sent everything, a preview says', async () => {
    const [preview] = await previewDistribution(options([nodeOf('mk', archiveNode())]));

    expect(preview).toMatchObject({
      blobs: image.blobs.length,
      images: [{ state: 'declared' }],
      bytesSkipped: 0,
    });
  });
});
