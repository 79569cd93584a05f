import type { NodeOutcome } from '../distribute/outcome.ts';
import { isRefusal } from '../distribute/refusal.ts';
import type { ErrorCode, ErrorContext, ImgctlError } from '../errors.ts';

/** What ends up as the exit status of the process, and nothing else decides it. The table is in README and --help. */
export const exitStatus = {
  ok: 0,
  failed: 1,
  usage: 2,
  partial: 3,
  refused: 4,
  untrusted: 5,
  interrupted: 130,
} as const;
export type ExitStatus = (typeof exitStatus)[keyof typeof exitStatus];

/** Among statuses that fit, the first of these is given. */
const precedence = [2, 130, 0, 3, 5, 4, 1] as const;

const untrustedCodes: ReadonlySet<string> = new Set<ErrorCode>([
  'node_unauthorized',
  'node_untrusted',
  'signature_invalid',
]);

/** What the user typed, or did not give. */
const usageCodes: ReadonlySet<string> = new Set<ErrorCode>([
  'usage',
  'no_archive',
  'reference_invalid',
  'platform_invalid',
  'digest_invalid',
  'manifest_invalid',
  'listen_insecure',
  'token_missing',
  'config_invalid',
  'certificate_invalid',
]);

/** Nothing can have been sent: there is nothing fit to send, or nobody to send it to. */
const refusedCodes: ReadonlySet<string> = new Set<ErrorCode>([
  'archive_unreadable',
  'archive_empty',
  'archive_truncated',
  'archive_no_images',
  'archive_unnamed',
  'archive_conflict',
  'image_conflict',
  'blob_unknown',
  'archive_incomplete',
  'archive_too_large',
  'document_invalid',
  'document_too_large',
  'image_cycle',
  'platform_missing',
  'digest_mismatch',
  'size_mismatch',
  'spool_full',
  'store_not_found',
  'store_unreachable',
  'node_not_agent',
  'node_unknown',
  'runtime_unsupported',
  'discovery_failed',
  'namespace_forbidden',
  'registry_unreachable',
  'registry_unauthorized',
  'registry_untrusted',
  'registry_failed',
]);

/** Of an error that ended a command before there was an outcome for any node. */
export function statusOfError({ code, context }: { code: ErrorCode; context: ErrorContext }): ExitStatus {
  if (usageCodes.has(code)) return exitStatus.usage;
  if (code === 'interrupted') return exitStatus.interrupted;
  if (untrustedCodes.has(code)) return exitStatus.untrusted;
  // What a registry does not have is bad input, as an archive without images is
  if (code === 'image_unknown' && context.registry !== undefined) return exitStatus.refused;
  if (refusedCodes.has(code)) return exitStatus.refused;
  return exitStatus.failed;
}

export interface RunOutcome {
  readonly nodes: readonly Pick<NodeOutcome, 'status' | 'error'>[];
  readonly interrupted: boolean;
  readonly strict: boolean;
}

/** Of an import, from what became of each node. */
export function statusOfRun({ nodes, interrupted, strict }: RunOutcome): ExitStatus {
  const succeeded = nodes.filter(({ status }) => status === 'imported' || status === 'unchanged').length;
  const refused = nodes.filter(({ status }) => status === 'refused').length;
  const untrusted = nodes.filter(({ error }) => error !== undefined && untrustedCodes.has(error.code)).length;
  const all = nodes.length;
  const fits: Record<(typeof precedence)[number], boolean> = {
    2: false,
    // An interrupt that came after the last node was done changed nothing
    130: interrupted && succeeded < all,
    0: all > 0 && succeeded === all,
    3: succeeded > 0 && succeeded < all,
    5: all > 0 && untrusted === all,
    4: refused > 0 && (refused === all || strict),
    1: true,
  };
  return precedence.find((status) => fits[status]) ?? exitStatus.failed;
}

/** Of asking nodes for something, or previewing: each answered, or has an error. */
export function statusOfAnswers(
  answers: readonly { readonly error?: ImgctlError | undefined }[],
  interrupted: boolean,
  strict = false,
): ExitStatus {
  // With --strict an import would hold back the nodes that can take it
  const heldBack = strict && answers.some(({ error }) => error !== undefined);
  const nodes = answers.map(({ error }) =>
    error === undefined
      ? { status: heldBack ? ('refused' as const) : ('unchanged' as const) }
      : {
          status:
            isRefusal(error) || refusedCodes.has(error.code) ? ('refused' as const) : ('failed' as const),
          error,
        },
  );
  return statusOfRun({ nodes, interrupted, strict });
}
