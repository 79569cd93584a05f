import type { ImportEvent } from '../../agent-api/events.ts';
import type {
  Declaration,
  ImagesDirectoryStatus,
  ImportState,
  NodeInfo,
  PeerCheck,
} from '../../agent-api/schemas.ts';
import type { Store } from '../../store/store.ts';
import type { ImportRegistry } from '../imports.ts';
import type { LineLimit } from '../line-limit.ts';
import type { Log } from '../log.ts';
import type { AgentMetrics } from '../metrics.ts';
import type { PeerClients } from '../peers/peer-clients.ts';
import type { NodeRegistries } from '../registries/node-registries.ts';
import type { RelayBuffers } from '../relay/buffers.ts';
import type { Stopping } from '../stopping.ts';
import type { StorePulse } from '../store-pulse.ts';
import type { Uplink } from '../uplink.ts';
import type { TokenCheck } from './auth.ts';

/** What the handlers work with; main wires it. */
export interface AgentContext {
  readonly store: Store;
  readonly pulse: StorePulse;
  readonly imports: ImportRegistry;
  readonly token: TokenCheck;
  readonly metrics: AgentMetrics;
  readonly log: Log;
  /** For lines that anybody can cause who has no token. */
  readonly strangers: LineLimit;
  readonly stopping: Stopping;
  readonly limits: AgentLimits;
  readonly peers: PeerClients;
  readonly registries: NodeRegistries;
  /** What goes to other nodes. */
  readonly uplink: Uplink;
  /** Of the blobs that pass through. */
  readonly buffers: RelayBuffers;
  /** Undefined without one. */
  imagesDirectory(): ImagesDirectoryStatus | undefined;
  describe(signal: AbortSignal): Promise<NodeInfo>;
  /** Tries each of these agents, as a peer of theirs. @throws ImgctlError `request_invalid` */
  checkPeers(urls: readonly string[], signal: AbortSignal): Promise<readonly PeerCheck[]>;
  previewImport(declaration: Declaration, signal: AbortSignal): Promise<ImportState>;
  importArchive(
    archive: AsyncIterable<Uint8Array>,
    settings: ArchiveSettings,
    signal: AbortSignal,
  ): AsyncIterable<ImportEvent>;
}

export interface ArchiveSettings {
  readonly platforms?: readonly string[] | undefined;
  readonly pin?: boolean | undefined;
  readonly unpack?: boolean | undefined;
  readonly tag?: string | undefined;
  /** What errors call the archive. */
  readonly label?: string | undefined;
}

/** Times in milliseconds. */
export interface AgentLimits {
  /** A connection whose request's head is not there by then is closed. */
  readonly headersMs: number;
  /** A body of which nothing comes, or an answer of which nothing is read, for so long is given up. */
  readonly idleMs: number;
  /** A body that brings less than 256 bytes/s over so long is given up. */
  readonly paceMs: number;
  readonly aliveMs: number;
  readonly importIdleMs: number;
  readonly maxImports: number;
  /** A peer that sends next to nothing for so long is asked no more. */
  readonly peerStallMs: number;
  /** What is under way when the agent stops has so long to finish. */
  readonly stopMs: number;
  /** Twice as long the next node of a route and this one's store may hold each other up; then they are parted. */
  readonly relayPatienceMs: number;
  /** A file of the images directory that did not change for so long is whole; the directory is looked at so often. */
  readonly settleMs: number;
  readonly scanMs: number;
  /** What failed there, a pull above all, is tried again after so long, doubled each time up to the other. */
  readonly backOffMs: number;
  readonly backOffMostMs: number;
  /** Certificates and tokens are looked at this often, and read again when they have changed. */
  readonly reloadMs: number;
}
