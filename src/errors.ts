/**
 * The one error class of the program, and the union of its codes.
 *
 * An error names what failed (code, message), what to do now (hint), where it
 * happened (context) and why (cause). How a code maps to an HTTP status or to
 * an exit status is decided at the edges: agent/http/status.ts, cli/exit-codes.ts.
 */

export type ErrorCode =
  // What the user typed
  | 'usage'
  | 'no_archive'
  | 'reference_invalid'
  | 'platform_invalid'
  | 'digest_invalid'
  | 'manifest_invalid'
  // The archive
  | 'archive_unreadable'
  | 'archive_empty'
  | 'archive_truncated'
  | 'archive_no_images'
  | 'archive_unnamed'
  | 'archive_conflict'
  | 'archive_incomplete'
  | 'archive_too_large'
  | 'document_invalid'
  | 'document_too_large'
  | 'image_cycle'
  | 'platform_missing'
  | 'spool_full'
  | 'signature_invalid'
  // Blobs and stores
  | 'digest_mismatch'
  | 'size_mismatch'
  | 'offset_mismatch'
  | 'encoding_invalid'
  | 'blob_unknown'
  | 'blob_locked'
  | 'image_unknown'
  | 'image_conflict'
  | 'store_unreachable'
  | 'store_not_found'
  | 'store_full'
  | 'store_failed'
  | 'lease_lost'
  | 'namespace_forbidden'
  | 'unpack_failed'
  | 'unpack_unsupported'
  | 'image_unverified'
  | 'pull_failed'
  // Nodes and the wire
  | 'node_unreachable'
  | 'node_unauthorized'
  | 'node_untrusted'
  | 'node_not_agent'
  | 'node_unknown'
  | 'runtime_unsupported'
  | 'node_stalled'
  | 'node_protocol'
  | 'import_gone'
  | 'import_incomplete'
  | 'held_back'
  | 'request_invalid'
  | 'request_too_large'
  | 'route_unknown'
  | 'overloaded'
  // Registries
  | 'registry_unreachable'
  | 'registry_unauthorized'
  | 'registry_untrusted'
  | 'registry_failed'
  // Finding the cluster, and being let in
  | 'discovery_failed'
  | 'config_invalid'
  | 'certificate_invalid'
  | 'deploy_failed'
  // The agent's own start
  | 'address_in_use'
  | 'listen_insecure'
  | 'token_missing'
  // What the command writes
  | 'output_failed'
  // Anything else
  | 'interrupted'
  | 'internal';

/** Where an error happened. Values are shown to people and machines: never a secret. */
export interface ErrorContext {
  readonly node?: string;
  readonly phase?: string;
  readonly image?: string;
  readonly digest?: string;
  readonly path?: string;
  readonly [key: string]: string | number | readonly string[] | undefined;
}

export interface ErrorOptions {
  readonly hint?: string | undefined;
  readonly cause?: unknown;
  readonly context?: ErrorContext | undefined;
}

export class ImgctlError extends Error {
  override readonly name = 'ImgctlError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly context: ErrorContext;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.context = options.context ?? {};
  }

  /** The same error with more context; what is already named stays. */
  within(context: ErrorContext): ImgctlError {
    const error = new ImgctlError(this.code, this.message, {
      hint: this.hint,
      cause: this.cause,
      context: { ...context, ...this.context },
    });
    if (this.stack !== undefined) error.stack = this.stack;
    return error;
  }
}

/** Any thrown value as an ImgctlError: itself, or `internal` (`interrupted` for an abort) around it. */
export function toImgctlError(thrown: unknown): ImgctlError {
  if (thrown instanceof ImgctlError) return thrown;
  if (isAbortError(thrown)) return new ImgctlError('interrupted', 'interrupted', { cause: thrown });
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new ImgctlError('internal', message || 'unknown error', { cause: thrown });
}

export function isAbortError(thrown: unknown): boolean {
  return (
    thrown instanceof Error &&
    (thrown.name === 'AbortError' || ('code' in thrown && thrown.code === 'ABORT_ERR'))
  );
}

export function hasCode(thrown: unknown, ...codes: readonly ErrorCode[]): thrown is ImgctlError {
  return thrown instanceof ImgctlError && codes.includes(thrown.code);
}

/**
 * What an archive or a peer says ends up on a terminal: control characters, with them escape sequences, and marks
 * that turn the direction of writing are taken out, line ends too.
 */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, ' ');
}
