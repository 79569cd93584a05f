/** gRPC's status codes (grpc/grpc, doc/statuscodes.md), those that this adapter tells apart. */
export const status = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  failedPrecondition: 9,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
} as const;

/** A call that ended with another status than OK, whether the server said so or the transport broke. */
export class GrpcError extends Error {
  override readonly name = 'GrpcError';
  readonly code: number;
  /** What the server said. */
  readonly details: string;

  constructor(code: number, details: string, cause?: unknown) {
    super(`gRPC status ${code}: ${details}`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.details = details;
  }
}
