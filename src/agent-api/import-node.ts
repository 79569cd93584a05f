import type { Digest } from '../image/digest.ts';
import type { ImportEvent } from './events.ts';
import type { Declaration, ImportState, More, NodeInfo, PutResult } from './schemas.ts';

/**
 * A node as something that images are imported into. The agent across the network (AgentClient) and the store of
 * this machine (transfer/local-node.ts) look the same, so one loop feeds both.
 */
export interface ImportNode {
  describe(signal?: AbortSignal): Promise<NodeInfo>;
  openImport(declaration: Declaration, signal?: AbortSignal): Promise<ImportHandle>;
  /** What `openImport` would answer, with nothing begun. */
  previewImport(declaration: Declaration, signal?: AbortSignal): Promise<ImportState>;
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
   * @throws ImgctlError `offset_mismatch` (context `offset`), `digest_mismatch`, `size_mismatch`, `import_gone`, …
   */
  put(
    blob: { readonly digest: Digest; readonly offset: number; readonly size: number },
    body: () => AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<PutResult>;
  /** From where the import stands now to its end, the terminal event included. */
  events(signal?: AbortSignal): AsyncIterable<ImportEvent>;
  /** Leaves the import: resumable for an hour, or with `discard` gone at once. Of a finished import: nothing. */
  leave(options?: { readonly discard?: boolean }): Promise<void>;
}
