import type { Digest } from '../image/digest.ts';
import type { Flow } from '../streams/rate-limit.ts';
import type { ImportEvent } from './events.ts';
import type { RegistrySource } from './registry-source.ts';
import type { RelayHop } from './relay.ts';
import type { Declaration, FetchResult, ImportState, More, NodeInfo, PutResult } from './schemas.ts';
import type { WireEncodingName } from './wire-encoding.ts';

/**
 * A node as something that images are imported into. The agent across the network (AgentClient) and the store of
 * this machine (transfer/local-node.ts) look the same, so one loop feeds both.
 */
export interface ImportNode {
  describe(signal?: AbortSignal): Promise<NodeInfo>;
  openImport(declaration: Declaration, signal?: AbortSignal): Promise<ImportHandle>;
  /** What `openImport` would answer, with nothing begun. */
  previewImport(declaration: Declaration, signal?: AbortSignal): Promise<ImportState>;
  /**
   * When what goes to the node last waited for this side's own rate limit, by `performance.now()`: whatever did not
   * move then, the node is not to blame. -Infinity: never. Absent: there is no limit.
   */
  waitedAt?(): number;
}

export interface BlobToSend {
  readonly digest: Digest;
  /** Where the bytes that are sent begin. */
  readonly offset: number;
  /** Of the whole blob. */
  readonly size: number;
}

export interface PutOptions {
  /** How the body is encoded; absent: it is the blob's own bytes. Only for agents that list it among their features. */
  readonly encoding?: WireEncodingName | undefined;
  /** The nodes that get the same bytes from this one, in order. Only an agent passes blobs on. */
  readonly relay?: readonly RelayHop[] | undefined;
  /** Told while the node works on what it was sent; only where `relay` is given, which may be empty. */
  readonly onAlive?: (() => void) | undefined;
  /** So too: it has the blob, no more of the body is read, and what is behind it gets the rest from there. */
  readonly onEnough?: (() => void) | undefined;
  /** How fast the body may go, in place of the client's own limit. */
  readonly flow?: Flow | undefined;
}

/** Only for agents that list `fetch-relay` among their features. */
export interface FetchOptions {
  /** The nodes that get it from this one while it comes, in order. */
  readonly relay: readonly RelayHop[];
  /** Where to begin: each of them holds so many bytes, or more. */
  readonly offset: number;
}

export interface PullOptions extends Omit<FetchOptions, 'offset'> {
  /** Told while the node waits for the registry. */
  readonly onAlive?: (() => void) | undefined;
}

export interface WantedBlob {
  readonly digest: Digest;
  /** In bytes; needed where the import does not know the blob yet. */
  readonly size?: number | undefined;
}

export interface ImportHandle {
  readonly id: string;
  /** What the node answered when the import was declared. */
  readonly opened: ImportState;
  /** What the import lacks now. @throws ImgctlError `import_gone` */
  state(signal?: AbortSignal): Promise<ImportState>;
  declare(more: More, signal?: AbortSignal): Promise<ImportState>;
  /**
   * Sends a blob's bytes from `offset` on. Returns when the node has the whole blob, verified; the body may
   * then be unread. The body is opened only when it is to be sent.
   *
   * With a `relay` it returns when it is settled for every node of the route what became of the blob there. What is
   * thrown then concerns the first node, and nothing was passed on; later it is the result's `error`.
   * @throws ImgctlError `offset_mismatch` (context `offset`), `digest_mismatch`, `size_mismatch`, `import_gone`, …
   */
  put(
    blob: BlobToSend,
    body: () => AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
    options?: PutOptions,
  ): Promise<PutResult>;
  /**
   * Has the node get a blob from its peers at `from` (`http[s]://host:port`, 1000 at most, those first that should be
   * asked first), from what it holds of it on. Returns when it has the whole blob, verified: that may take as long as
   * the blob takes; the import's events tell of it meanwhile.
   * @throws ImgctlError `blob_unknown` (no peer has it), `node_unreachable`, `node_stalled`, `node_untrusted`,
   *   `node_protocol`, `digest_mismatch`: every peer failed, the context (`phase` fetch) tells how each; `request_invalid`, …
   *
   * With `options` it passes the blob on while it comes, as `put` with a `relay` does: what is thrown then is told
   * before anything was passed on; later it is the result's `error`. Nobody need have an import at `from`.
   */
  fetch(
    blob: WantedBlob,
    from: readonly string[],
    signal?: AbortSignal,
    options?: FetchOptions,
  ): Promise<FetchResult>;
  /**
   * The same from a registry, and along a route that may be empty: `fetch` with `options`, but that the `from` of the
   * result is empty. Only for agents that list `registry` among their features: no other has it.
   * @throws ImgctlError (`phase` fetch) `registry_unreachable`, `registry_unauthorized`, `digest_mismatch`, …: what
   *   the registries answered; `offset_mismatch`, and those of `put`
   */
  pull?(
    blob: BlobToSend,
    from: RegistrySource,
    signal: AbortSignal | undefined,
    options: PullOptions,
  ): Promise<FetchResult>;
  /** From where the import stands now to its end, the terminal event included. */
  events(signal?: AbortSignal): AsyncIterable<ImportEvent>;
  /** Leaves the import: resumable for an hour, or with `discard` gone at once. Of a finished import: nothing. */
  leave(options?: { readonly discard?: boolean }): Promise<void>;
}
