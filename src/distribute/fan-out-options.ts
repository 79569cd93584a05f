import type { ImportNode } from '../agent-api/import-node.ts';
import type { RegistrySource } from '../agent-api/registry-source.ts';
import type { Declaration } from '../agent-api/schemas.ts';
import type { ClusterFacts } from '../discovery/discovery.ts';
import type { Digest } from '../image/digest.ts';
import type { GrowingSource, ImageSource } from '../image/source.ts';
import type { WireCompression } from '../transfer/wire-encoding.ts';
import type { FindArchiveNode } from './archive-node.ts';
import type { DistributeEvent } from './outcome.ts';

export interface FanOutNode {
  readonly name: string;
  readonly address: string;
  readonly node: ImportNode;
  /** Of a node that other nodes can reach as well. */
  readonly peer?: Peer | undefined;
  /** What the cluster says of it; absent where it was merely named. */
  readonly cluster?: ClusterFacts | undefined;
  /** Of a node that may be one that takes whole archives only. */
  readonly findArchiveNode?: FindArchiveNode | undefined;
}

export interface Peer {
  /** `http[s]://host:port` */
  readonly url: string;
  /** Those of `digests` that are there whole. */
  have(digests: readonly Digest[], signal?: AbortSignal): Promise<ReadonlySet<Digest>>;
}

/** A node whose blobs others get, whether it is given images itself or not. */
export interface Giver {
  readonly name: string;
  /** As its peers reach it: `http[s]://host:port`. */
  readonly url: string;
  readonly has: readonly Digest[];
}

export const relayChoices = ['auto', 'off'] as const;

export const wireCompressions: readonly WireCompression[] = ['auto', 'zstd', 'none'];

export interface FanOutOptions {
  readonly nodes: readonly FanOutNode[];
  readonly source: ImageSource;
  /** The same, where it is still being read: what is whole goes out before it is known whether a node needs it. */
  readonly growing?: GrowingSource | undefined;
  readonly declaration: Omit<Declaration, 'documents' | 'images'>;
  /** How often a node that fails is tried again. */
  readonly retries: number;
  readonly stallTimeoutMs: number;
  /** Send nothing to anybody unless every node can take the images. */
  readonly strict: boolean;
  /**
   * Blobs in flight at once: for each node that is sent everything from here, 4 unless given; where nodes pass them on,
   * over each link, by default what suits their number.
   */
  readonly concurrency?: number | undefined;
  /** `auto`: nodes pass blobs on to each other; `off`, the default: each gets everything from the command. */
  readonly relay?: (typeof relayChoices)[number] | undefined;
  /** Where nodes read layers from registries themselves, and this side does not: where they find each. */
  readonly registry?: ((digest: Digest) => RegistrySource) | undefined;
  /** Images of which layers are under way at once; absent: all. */
  readonly imagesAtOnce?: number | undefined;
  /** Nodes that are known to have layers to give, before anybody is asked. */
  readonly givers?: readonly Giver[] | undefined;
  /** Of what is not compressed, on its way to nodes that take that; `none` unless given. */
  readonly wireCompression?: WireCompression | undefined;
  readonly signal: AbortSignal;
  onEvent(event: DistributeEvent): void;
}
