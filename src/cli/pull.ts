import { formatReference, type Reference } from '../image/reference.ts';
import type { Reporter } from '../output/reporter.ts';
import { openRegistryImages } from '../registry/registry.ts';
import { concurrencyWithin } from './concurrency-within.ts';
import type { ConnectedNode } from './connect-nodes.ts';
import type { CommandContext } from './context.ts';
import type { ExitStatus } from './exit-codes.ts';
import { type PushOptions, pushSource } from './push.ts';
import type { RegistryAccess } from './registry-access.ts';
import { wantedPlatforms } from './wanted-platforms.ts';

export interface PullOptions
  extends Omit<PushOptions, 'tag' | 'spoolDir' | 'relay' | 'concurrency' | 'wireCompression' | 'stream'> {
  readonly maxParallel: number;
}

export interface Pull {
  readonly references: readonly Reference[];
  readonly nodes: readonly ConnectedNode[];
  readonly access: RegistryAccess;
  readonly options: PullOptions;
  readonly reporter: Reporter;
}

/** Images of registries to nodes: this side reads each layer once, as a stream, and the nodes pass it on. */
export async function pull(
  { references, nodes, access, options, reporter }: Pull,
  { io }: CommandContext,
): Promise<ExitStatus> {
  const begun = performance.now();
  const { signal } = io;
  const { maxParallel } = options;
  const platforms = await wantedPlatforms(nodes, options, signal);
  await using source = await openRegistryImages(references, access, {
    platforms,
    maxParallel,
    signal,
    onResolved: (reference, digest) => {
      if (reference.digest === undefined) reporter.note(`${formatReference(reference)} is ${digest}`);
    },
  });
  const [first] = source.failed;
  const told = source.images.length === 0 ? source.failed.slice(1) : source.failed;
  for (const { message, hint } of told) reporter.warn(`left out: ${message}${hint ? `. ${hint}` : ''}`);
  if (first !== undefined && source.images.length === 0) throw first;
  const { describeImages } = await import('../archive/archive.ts');
  const summary = await describeImages(source, signal);
  const concurrency = concurrencyWithin(
    { ...options, relay: 'auto', concurrency: maxParallel },
    nodes.length,
  );
  // What registries keep is compressed
  const all = { ...options, relay: 'auto', wireCompression: 'none', concurrency } as const;
  const patient = nodes.map((node) => ({
    ...node,
    node: { ...node.node, waitedAt: () => lastWait(node, source) },
  }));
  return await pushSource(
    { source, summary, nodes: patient, refused: source.failed, options: all, reporter, begun },
    io,
  );
}

/** A node that waits for a registry has not stalled. */
function lastWait({ node }: ConnectedNode, source: { waitedAt(): number }): number {
  return Math.max(node.waitedAt?.() ?? Number.NEGATIVE_INFINITY, source.waitedAt());
}
