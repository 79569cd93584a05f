import type { ErrorCode } from '../../errors.ts';

/** The HTTP status of each error code. Pure, and the only place that knows. */
const statuses: Readonly<Record<ErrorCode, number>> = {
  usage: 400,
  no_archive: 400,
  reference_invalid: 400,
  platform_invalid: 400,
  digest_invalid: 400,
  manifest_invalid: 400,

  // The request is well formed; what it carries is not
  archive_unreadable: 422,
  archive_empty: 422,
  signature_invalid: 422,
  archive_truncated: 422,
  archive_no_images: 422,
  archive_unnamed: 422,
  image_conflict: 409,
  archive_conflict: 422,
  archive_incomplete: 422,
  archive_too_large: 413,
  document_invalid: 422,
  document_too_large: 413,
  image_cycle: 422,
  platform_missing: 422,
  spool_full: 507,
  output_failed: 507,

  digest_mismatch: 422,
  size_mismatch: 422,
  offset_mismatch: 409,
  encoding_invalid: 422,
  blob_unknown: 404,
  blob_locked: 423,
  image_unknown: 404,
  store_unreachable: 503,
  store_not_found: 503,
  store_full: 507,
  store_failed: 500,
  lease_lost: 410,
  namespace_forbidden: 403,
  unpack_failed: 500,
  unpack_unsupported: 501,
  image_unverified: 500,
  pull_failed: 502,

  node_unreachable: 502,
  node_unauthorized: 401,
  node_untrusted: 502,
  node_not_agent: 502,
  node_unknown: 400,
  runtime_unsupported: 501,
  node_stalled: 504,
  node_protocol: 502,
  import_gone: 404,
  import_incomplete: 409,
  held_back: 409,
  request_invalid: 400,
  request_too_large: 413,
  route_unknown: 404,
  overloaded: 429,

  registry_unreachable: 502,
  registry_unauthorized: 502,
  registry_untrusted: 502,
  registry_failed: 502,

  discovery_failed: 502,
  config_invalid: 500,
  certificate_invalid: 500,
  deploy_failed: 500,

  address_in_use: 500,
  listen_insecure: 500,
  token_missing: 500,

  interrupted: 503,
  internal: 500,
};

export function httpStatus(code: ErrorCode): number {
  return statuses[code] ?? 500;
}
