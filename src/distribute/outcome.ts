import type { ImageStatus } from '../agent-api/schemas.ts';
import type { ImgctlError } from '../errors.ts';

/** A node that images go to, as the user or discovery named it. */
export interface NodeAddress {
  /** What reports call it. */
  readonly name: string;
  /** `host:port`, IPv6 in brackets; for this machine's store, its address. */
  readonly address: string;
}

/**
 * What became of a node. `unchanged`: everything was there already. `refused`: nothing was sent, because the node or
 * the archive is unfit. `failed`: everything else that is not success.
 */
export type NodeStatus = 'imported' | 'unchanged' | 'failed' | 'refused';

/** Each node has exactly one, whatever happened to the others. */
export interface NodeOutcome {
  readonly node: string;
  readonly address: string;
  readonly status: NodeStatus;
  readonly images: readonly ImageStatus[];
  /** Bytes that went over this command's uplink. */
  readonly bytesSent: number;
  readonly bytesFromPeers: number;
  /** Bytes that the node read from registries itself; absent: none. */
  readonly bytesFromRegistries?: number | undefined;
  /** Bytes that the node had already. */
  readonly bytesSkipped: number;
  /** Of what was sent or fetched before all of the archive was read, what no image needed there; absent: nothing. */
  readonly bytesUnneeded?: number | undefined;
  readonly durationMs: number;
  readonly warnings: readonly string[];
  readonly error?: ImgctlError | undefined;
}

/** What would be sent to a node (`--dry-run`). */
export interface NodePreview {
  readonly node: string;
  readonly address: string;
  readonly images: readonly ImageStatus[];
  readonly blobs: number;
  readonly bytes: number;
  readonly bytesSkipped: number;
  readonly error?: ImgctlError | undefined;
}

/** What was found out about a node before any byte moved. */
export interface NodeCheck {
  readonly node: string;
  /** Whether it can take the images. */
  readonly ok: boolean;
  /** Of one that cannot: what becomes of it, and why. */
  readonly status?: NodeStatus | undefined;
  readonly error?: ImgctlError | undefined;
}

export type NodePhase =
  | 'connecting'
  | 'checking'
  | 'sending'
  | 'unpacking'
  | 'verifying'
  | 'retrying'
  | 'finished';

/** What distribution tells while it goes on; `node` is the name of one node. */
export type DistributeEvent =
  | { readonly type: 'phase'; readonly node: string; readonly phase: NodePhase }
  | {
      readonly type: 'progress';
      readonly node: string;
      /** Bytes that the node has of what it lacked when it was asked. */
      readonly receivedBytes: number;
      readonly missingBytes: number;
      readonly skippedBytes: number;
      readonly imagesReady: number;
      readonly images: number;
    }
  | { readonly type: 'image'; readonly node: string; readonly image: ImageStatus }
  | {
      readonly type: 'unpack';
      readonly node: string;
      readonly image: string;
      readonly layers: number;
      readonly of: number;
    }
  | { readonly type: 'warning'; readonly node: string; readonly message: string }
  | {
      readonly type: 'retry';
      readonly node: string;
      /** 1 is the first retry. */
      readonly attempt: number;
      readonly of: number;
      readonly delayMs: number;
      readonly error: ImgctlError;
    }
  | {
      /** Told once, of all nodes together. */
      readonly type: 'checked';
      readonly nodes: readonly NodeCheck[];
      /** Nodes that have not answered yet; each is told of by its outcome. */
      readonly waiting: readonly string[];
    }
  | { readonly type: 'outcome'; readonly outcome: NodeOutcome };
