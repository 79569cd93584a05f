import type { ImagesDirectoryStatus, NodeImage, NodeInfo } from '../agent-api/schemas.ts';
import type { DistributeEvent, NodeAddress, NodeOutcome, NodePreview } from '../distribute/outcome.ts';
import type { ImgctlError } from '../errors.ts';

/**
 * The port of everything that a command shows. Progress goes to standard error, the result to standard output.
 * Adapters: tty (a terminal), plain (a pipe, CI), json (one document), ndjson (every event). May import: errors,
 * the event and outcome types of distribute and agent-api.
 */
export interface Reporter {
  /** A remark for a person: which node is spoken to, what is read. */
  note(message: string): void;
  warn(message: string): void;
  /** Bytes of an archive that were read (a pipe, a compressed one) or written so far. */
  reading(progress: ReadingProgress): void;
  start(run: RunStart): void;
  /** What is sent, where that was not known at the start: a pipe that is sent while it is read. */
  archive(summary: ArchiveSummary): void;
  event(event: DistributeEvent): void;
  /** The end of an import. Nothing is shown after it. */
  finish(result: ImportResult): void;
  preview(previews: readonly NodePreview[]): void;
  images(listing: readonly NodeListing[]): void;
  nodes(listing: readonly ListedNode[]): void;
  imagesDirectories(listing: readonly DirectoryListing[]): void;
  /** `unknown`: the names that no node has, an error each. */
  removed(results: readonly RemoveResult[], unknown?: readonly ImgctlError[]): void;
  /** What was done by a command that has no other result; `details` are for machines. */
  done(messages: readonly string[], details?: Readonly<Record<string, unknown>>): void;
  /** What became of each host that the agent was to be put onto. */
  deployed(results: readonly DeployResult[]): void;
  /** What was found in order, and what was not. */
  checks(results: readonly CheckResult[]): void;
  /** An error that ended the command before there was an outcome for any node. */
  fail(error: ImgctlError): void;
}

export interface ReadingProgress {
  /** `reading` unless given. */
  readonly activity?: 'reading' | 'writing' | undefined;
  readonly label: string;
  readonly bytes: number;
  /** Absent for a pipe. */
  readonly total?: number | undefined;
}

export interface ArchiveSummary {
  readonly images: readonly {
    readonly name: string;
    readonly digest: string;
    readonly platforms: readonly string[];
  }[];
  readonly blobs: number;
  readonly bytes: number;
}

export interface RunStart {
  /** Absent where it is still being read: `archive` tells. */
  readonly archive?: ArchiveSummary | undefined;
  readonly nodes: readonly NodeAddress[];
  /** Nothing will be sent: `preview` follows, not `finish`. */
  readonly dryRun?: boolean | undefined;
}

export interface ImportResult {
  readonly ok: boolean;
  /** Absent where it was not read to its end. */
  readonly archive?: ArchiveSummary | undefined;
  readonly nodes: readonly NodeOutcome[];
  /** What a user should know although it went well: images that pods would still try to pull. */
  readonly advice: readonly string[];
  /** Set when the command was interrupted, or images were left out: why the first of them was. */
  readonly error?: ImgctlError | undefined;
  readonly durationMs: number;
}

export interface NodeListing {
  readonly node: string;
  readonly address: string;
  readonly images: readonly NodeImage[];
  readonly error?: ImgctlError | undefined;
}

/** What has become of the files in a node's images directory. */
export interface DirectoryListing {
  readonly node: string;
  readonly address: string;
  /** Absent where nothing answered. */
  readonly status?: ImagesDirectoryStatus | undefined;
  readonly error?: ImgctlError | undefined;
}

/** A node as `nodes list` shows it. What nobody could tell is absent. */
export interface ListedNode {
  readonly node: string;
  readonly address: string;
  /** As Kubernetes sees it; absent where the node was not found there. */
  readonly ready?: boolean | undefined;
  readonly cordoned?: boolean | undefined;
  readonly platform?: string | undefined;
  /** As the kubelet reports it: `containerd://1.7.24`. */
  readonly runtime?: string | undefined;
  /** Its version; of another kind of agent, what it is. */
  readonly agent?: string | undefined;
  readonly store?: NodeInfo['store'] | undefined;
  readonly freeBytes?: number | undefined;
  /** Absent where nothing answered. */
  readonly trust?: NodeTrust | undefined;
  /** RFC 3339; of the agent's certificate. */
  readonly certificateEnds?: string | undefined;
  /** Of a small request on a connection that stands. */
  readonly roundTripMs?: number | undefined;
  readonly error?: ImgctlError | undefined;
}

/** How command and agent know each other, or why they do not. */
export type NodeTrust = 'plain' | 'tls' | 'mutual tls' | 'untrusted' | 'unauthorized';

export interface RemoveResult {
  readonly node: string;
  readonly address: string;
  readonly image: string;
  readonly removed: boolean;
  readonly error?: ImgctlError | undefined;
}

export interface DeployResult {
  readonly host: string;
  /** HOST:PORT, where the agent answers. */
  readonly address: string;
  /** What the agent there says of itself. */
  readonly summary?: string | undefined;
  readonly error?: ImgctlError | undefined;
}

export interface CheckResult {
  readonly status: 'ok' | 'warn' | 'fail';
  /** What was looked at, in a word or two. */
  readonly what: string;
  readonly detail: string;
  /** What to do now. */
  readonly hint?: string | undefined;
}
