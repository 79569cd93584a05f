import type { ImageGraph } from '../image/graph.ts';
import type { BlobSource } from '../image/source.ts';

/**
 * The port of nodes that take whole archives, and say nothing but whether that went well: what is there is not known,
 * so that everything is sent, and what they made of it cannot be asked.
 */
export interface ArchiveNode {
  /** Upload and import together have so long there, in milliseconds. */
  readonly deadlineMs: number;
  /** As of any node (agent-api/import-node.ts): when what goes to it last waited for this side's own rate limit. */
  waitedAt?(): number;
  /** Makes sure that it is who it should be; nothing was sent then. */
  check(signal: AbortSignal): Promise<void>;
  /** Sends the images as one archive, read from the source as it is sent. Returns when the node says that it has them. */
  import(images: readonly GraphWithNames[], sending: ArchiveSending): Promise<void>;
}

export interface GraphWithNames {
  readonly names: readonly string[];
  readonly graph: ImageGraph;
}

export interface ArchiveSending {
  readonly source: BlobSource;
  readonly signal: AbortSignal;
  /** Told before the first byte how many there will be, as far as that is known. */
  onLength(bytes: number | undefined): void;
  onBytes(bytes: number): void;
  /** All is sent: what is missing is the node's word. */
  onSent(): void;
}

/**
 * Asks whether a node is one of these: undefined where an agent of ours is spoken to.
 * @throws ImgctlError: it is one, and cannot be spoken to
 */
export type FindArchiveNode = (signal: AbortSignal) => Promise<ArchiveNode | undefined>;
