import type { NodeImage } from '../agent-api/schemas.ts';
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
  event(event: DistributeEvent): void;
  /** The end of an import. Nothing is shown after it. */
  finish(result: ImportResult): void;
  preview(previews: readonly NodePreview[]): void;
  images(listing: readonly NodeListing[]): void;
  /** `unknown`: the names that no node has, an error each. */
  removed(results: readonly RemoveResult[], unknown?: readonly ImgctlError[]): void;
  /** What was done by a command that has no other result. */
  done(messages: readonly string[]): void;
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
  readonly archive: ArchiveSummary;
  readonly nodes: readonly NodeAddress[];
  /** Nothing will be sent: `preview` follows, not `finish`. */
  readonly dryRun?: boolean | undefined;
}

export interface ImportResult {
  readonly ok: boolean;
  readonly archive: ArchiveSummary;
  readonly nodes: readonly NodeOutcome[];
  /** What a user should know although it went well: images that pods would still try to pull. */
  readonly advice: readonly string[];
  /** Set when the command was interrupted. */
  readonly error?: ImgctlError | undefined;
  readonly durationMs: number;
}

export interface NodeListing {
  readonly node: string;
  readonly address: string;
  readonly images: readonly NodeImage[];
  readonly error?: ImgctlError | undefined;
}

export interface RemoveResult {
  readonly node: string;
  readonly address: string;
  readonly image: string;
  readonly removed: boolean;
  readonly error?: ImgctlError | undefined;
}
