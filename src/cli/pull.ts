import type { RegistryLogin } from '../agent-api/registry-source.ts';
import type { MachineRegistries } from '../config/registries/machine-registries.ts';
import type { FanOutNode, FanOutOptions } from '../distribute/fan-out-options.ts';
import { openImagesThroughNodes } from '../distribute/images-through-nodes.ts';
import { pullReceiver } from '../distribute/sync-receiver.ts';
import type { ImgctlError } from '../errors.ts';
import type { Digest } from '../image/digest.ts';
import { formatReference, type Reference } from '../image/reference.ts';
import type { ImageSource } from '../image/source.ts';
import type { Reporter } from '../output/reporter.ts';
import { openRegistryImages } from '../registry/registry.ts';
import { concurrencyWithin } from './concurrency-within.ts';
import type { ConnectedNode } from './connect-nodes.ts';
import type { CommandContext } from './context.ts';
import type { ExitStatus } from './exit-codes.ts';
import { type PushOptions, pushSource } from './push.ts';
import { wantedPlatforms } from './wanted-platforms.ts';

export interface PullOptions
  extends Omit<PushOptions, 'tag' | 'spoolDir' | 'relay' | 'concurrency' | 'wireCompression' | 'stream'> {
  /** Images at once. */
  readonly maxParallel: number;
}

/** Who reads layers: the nodes, by their own configuration and with these logins; or this side, by its own. */
export type PullWay =
  | { readonly via: 'node'; readonly logins: readonly RegistryLogin[] }
  | { readonly via: 'command'; readonly access: MachineRegistries };

export interface Pull {
  readonly references: readonly Reference[];
  readonly nodes: readonly ConnectedNode[];
  readonly way: PullWay;
  readonly options: PullOptions;
  readonly reporter: Reporter;
}

/** Images of registries to nodes: one side reads each layer once, as a stream, and the nodes pass it on. */
export async function pull(
  { references, nodes, way, options, reporter }: Pull,
  { io }: CommandContext,
): Promise<ExitStatus> {
  const begun = performance.now();
  const { signal } = io;
  const { maxParallel } = options;
  const looking = {
    platforms: await wantedPlatforms(nodes, options, signal),
    maxParallel,
    signal,
    onResolved: (reference: Reference, digest: Digest) => {
      if (reference.digest === undefined) reporter.note(`${formatReference(reference)} is ${digest}`);
    },
  };
  await using opened = await (way.via === 'node'
    ? throughNodes(references, nodes, { ...looking, logins: way.logins })
    : fromHere(references, nodes, way.access, looking));
  const { source, failed, receivers, registry } = opened;
  const [first] = failed;
  const told = source.images.length === 0 ? failed.slice(1) : failed;
  for (const { message, hint } of told) reporter.warn(`left out: ${message}${hint ? `. ${hint}` : ''}`);
  if (first !== undefined && source.images.length === 0) throw first;
  const { describeImages } = await import('../archive/archive.ts');
  const summary = await describeImages(source, signal);
  const relayed = { ...options, relay: 'auto' as const };
  const concurrency = concurrencyWithin(relayed, nodes.length);
  // What registries keep is compressed
  const all = { ...relayed, wireCompression: 'none', concurrency } as const;
  const how = { options: all, registry, imagesAtOnce: maxParallel, refused: failed };
  return await pushSource({ source, summary, nodes: receivers, ...how, reporter, begun }, io);
}

interface Opened extends AsyncDisposable {
  readonly source: ImageSource;
  readonly failed: readonly ImgctlError[];
  readonly receivers: readonly FanOutNode[];
  readonly registry?: FanOutOptions['registry'];
}

async function throughNodes(
  references: readonly Reference[],
  nodes: readonly ConnectedNode[],
  looking: Parameters<typeof openImagesThroughNodes>[2],
): Promise<Opened> {
  const readers = nodes.map(({ name, node }) => ({ name, registryImage: node.registryImage }));
  const source = await openImagesThroughNodes(references, readers, looking);
  return {
    source,
    failed: source.failed,
    receivers: nodes.map(pullReceiver),
    registry: source.registryOf,
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  };
}

async function fromHere(
  references: readonly Reference[],
  nodes: readonly ConnectedNode[],
  access: MachineRegistries,
  looking: Parameters<typeof openRegistryImages>[2],
): Promise<Opened> {
  const source = await openRegistryImages(references, access, looking);
  return {
    source,
    failed: source.failed,
    receivers: nodes.map((node) => ({
      ...node,
      node: { ...node.node, waitedAt: () => lastWait(node, source) },
    })),
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  };
}

/** A node that waits for a registry has not stalled. */
function lastWait({ node }: ConnectedNode, source: { waitedAt(): number }): number {
  return Math.max(node.waitedAt?.() ?? Number.NEGATIVE_INFINITY, source.waitedAt());
}
