import type { Digest } from '../image/digest.ts';

/** What goes into a plan and what comes out of it. Sizes and offsets in bytes, times in milliseconds. */

export interface PlanBlob {
  readonly digest: Digest;
  readonly size: number;
}

export interface PlanNode {
  /** Unique among the nodes; routes are made of names, addresses are the business of who carries the plan out. */
  readonly name: string;
  /** What it lacks, with how much of each it holds already. */
  readonly lacks: readonly (PlanBlob & { readonly offset: number })[];
  /** What it holds whole and can give to others. Not: a layer of which only the unpacked snapshot is there. */
  readonly has: readonly Digest[];
  /** Passes on what it receives, feeds routes from its store, and lets peers fetch from it. */
  readonly relays: boolean;
  /** Can be told to fetch from peers. */
  readonly fetches: boolean;
  /** Can be told to fetch from a peer and to pass it on along a chain while it comes. Absent: it cannot. */
  readonly leads?: boolean | undefined;
  /** Can be the first that a blob comes to from the source. Absent: it can; else it gets that from other nodes alone. */
  readonly pulls?: boolean | undefined;
  /** What naming it takes of a route's header, in bytes. Absent: as much as leaves room for the longest chain. */
  readonly hopBytes?: number | undefined;
}

export interface PlanLimits {
  /**
   * Large transfers at once over one link in one direction; as many again where a chain of all goes through. Absent: by
   * the number of nodes. With more nodes than one chain takes anything but 1 is slower.
   */
  readonly concurrency?: number | undefined;
  /** No more nodes than this stand in one chain. Absent: as many as a request can name. */
  readonly chainLength?: number | undefined;
  /**
   * Nor than this in a chain that a node feeds from its store. Absent: as many as in any chain. 1: each of them fetches,
   * over the feeder's one uplink, which for many nodes is much slower.
   */
  readonly fedLength?: number | undefined;
}

export interface PlanOptions {
  /** What the source (the command's archive) has, in the order in which it should go: first layers first. */
  readonly source: readonly PlanBlob[];
  /** `off`: everything comes from the source, straight to each node. */
  readonly relay: 'auto' | 'off';
  readonly limits?: PlanLimits | undefined;
  /** Breaks ties: the same seed and the same events give the same plan. */
  readonly seed?: number | undefined;
}

interface TransferBase {
  /** Names the transfer in events; never used twice. */
  readonly id: number;
  /** One large blob, or several small ones that go along the same way, one request each. */
  readonly blobs: readonly PlanBlob[];
  /** Of the blob when it is one: where to begin. Each node on the way holds this much, or more. */
  readonly offset: number;
}

/**
 * One stream through a chain of nodes. `from` a node: that node holds it whole, and feeds the chain from its store: the
 * first of the route, which `leads`, fetches it there and passes it on, and no byte of it goes over the command's uplink.
 */
export interface RelayTransfer extends TransferBase {
  readonly kind: 'relay';
  readonly from: 'source' | { readonly node: string };
  readonly route: readonly string[];
}

/** A node gets it from peers that hold it whole; the first is the best, all may be used. */
export interface FetchTransfer extends TransferBase {
  readonly kind: 'fetch';
  readonly to: string;
  readonly from: readonly string[];
}

export type Transfer = RelayTransfer | FetchTransfer;

/** Who gets it, first to last. */
export function receivers(transfer: Transfer): readonly string[] {
  return transfer.kind === 'fetch' ? [transfer.to] : transfer.route;
}

export type PlanAction =
  | { readonly type: 'start'; readonly transfer: Transfer }
  /** Stop it: its nodes go on by other routes. What they hold by then is to be told by `transferEnded`. */
  | { readonly type: 'cancel'; readonly transfer: number };

/** What became of one node's part of a transfer. */
export type HopResult =
  | { readonly ok: true }
  | {
      readonly ok: false;
      /** What it holds now of the blob; absent: nobody can say, so it is taken to hold what it last told. */
      readonly offset?: number | undefined;
      /**
       * `node`: it failed itself (its store, its answer): it gets nothing until `nodeReady` tells of it anew.
       * `link`: it could not be reached by who should feed it; another may.
       * `source`: it could not get it from the source; another node may, and give it to this one.
       * `route`: something before it failed, or the transfer was cancelled: it is fed again at once.
       */
      readonly reason: 'node' | 'link' | 'source' | 'route';
    };

export type PlanEvent =
  /** A node is there, or there again: what it lacks and has is told anew, and what was known of it is forgotten. */
  | { readonly type: 'nodeReady'; readonly node: PlanNode }
  /** A node lacks more, as the documents it has read tell it. */
  | { readonly type: 'nodeLacks'; readonly node: string; readonly blobs: PlanNode['lacks'] }
  /** It gets nothing more, and gives nothing more; what passed through it is routed anew at once. */
  | { readonly type: 'nodeFailed'; readonly node: string }
  /** The source has more: an archive that is read while it is sent. */
  | { readonly type: 'sourceHas'; readonly blobs: readonly PlanBlob[] }
  /** A node has received a blob as far as `offset`. A few times a second is enough. */
  | {
      readonly type: 'progress';
      readonly transfer: number;
      readonly node: string;
      readonly offset: number;
      readonly atMs: number;
    }
  /**
   * What time it is. To be told twice a second: of what stands still nothing else is heard, and others are to be fed by
   * other routes.
   */
  | { readonly type: 'time'; readonly atMs: number }
  /** One node's part has ended before the whole: others can have it from there. */
  | {
      readonly type: 'hopEnded';
      readonly transfer: number;
      readonly node: string;
      readonly result: HopResult;
    }
  /** All of it has ended; of a node that is not named nothing is known: its part failed with the route. */
  | {
      readonly type: 'transferEnded';
      readonly transfer: number;
      readonly hops: readonly { readonly node: string; readonly result: HopResult }[];
    };
