import type { ErrorCode, ImgctlError } from '../errors.ts';

/** What a node is told to be unfit by: nothing was sent, and sending again would not help. */
const refusals: ReadonlySet<ErrorCode> = new Set([
  'platform_missing',
  'platform_invalid',
  'runtime_unsupported',
  'store_full',
  'node_not_agent',
  'archive_incomplete',
  'archive_unnamed',
  'reference_invalid',
  'document_invalid',
  'document_too_large',
  'image_cycle',
  'namespace_forbidden',
  'held_back',
]);

export function isRefusal(error: ImgctlError): boolean {
  return refusals.has(error.code) || isWithoutAgent(error);
}

/** Nothing listens there: no agent. A host that does not answer is down, which is a failure. */
export function isWithoutAgent({ code, context }: ImgctlError): boolean {
  return code === 'node_unreachable' && context.reason === 'ECONNREFUSED';
}
