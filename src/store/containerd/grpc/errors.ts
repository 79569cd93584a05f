import { ImgctlError } from '../../../errors.ts';
import { GrpcError, status } from './status.ts';

/**
 * What containerd's gRPC statuses mean to this program. containerd has few statuses and tells more in their text, so
 * the text decides where it must; the texts are the same from 1.6 to 2.x. The status stays behind as the error's cause.
 */
export function toStoreError(thrown: unknown, path: string, address: string): ImgctlError {
  if (thrown instanceof ImgctlError) return thrown;
  if (!(thrown instanceof GrpcError)) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    return new ImgctlError('store_failed', `containerd at ${address}: ${why}`, { cause: thrown });
  }
  const { details } = thrown;
  const fail = (code: ImgctlError['code'], message: string, hint?: string) =>
    new ImgctlError(code, message, { hint, cause: thrown, context: { address } });

  if (/no space left on device|disk quota exceeded/.test(details)) {
    return fail(
      'store_full',
      `containerd has no disk space left: ${details}`,
      'Remove images that are not needed (imgctl images rm, crictl rmi --prune), or give it more space, then import again.',
    );
  }
  if (isLeaseLost(thrown)) {
    return fail(
      'lease_lost',
      'the lease of this import expired or was deleted',
      'Run the import again: what is still there is not sent again.',
    );
  }
  if (isLocked(thrown)) {
    return fail(
      'blob_locked',
      `another process is writing this blob: ${details}`,
      'Wait until the other import has ended, then run this one again.',
    );
  }
  switch (thrown.code) {
    case status.unavailable:
    case status.deadlineExceeded:
    case status.cancelled:
      return unreachable(details, address, thrown);
    case status.unimplemented:
      return fail(
        'store_failed',
        `containerd at ${address} does not serve ${path}`,
        'imgctl needs containerd 1.6 or newer, with none of its built-in services disabled.',
      );
    case status.permissionDenied:
      return fail('store_failed', `containerd refused ${path}: ${details}`, 'Run as root.');
    default:
      return fail(
        'store_failed',
        `containerd failed at ${path.slice(path.lastIndexOf('.') + 1)}: ${details}`,
        "containerd's own log says more: journalctl -u containerd",
      );
  }
}

export function unreachable(why: string, address: string, cause?: unknown): ImgctlError {
  const denied = /EACCES|EPERM|permission denied/.test(why);
  const message = denied
    ? `permission denied on ${address}`
    : `containerd at ${address} cannot be reached: ${why}`;
  const hint = denied
    ? "Run as root: containerd's socket is root's alone."
    : 'See whether it runs: systemctl status containerd (k3s, k0s and snap.microk8s.daemon-containerd bring their own).';
  return new ImgctlError('store_unreachable', message, { hint, cause, context: { address } });
}

/** The status of the gRPC call that failed, undefined for any other error. */
export function statusOf(error: unknown): number | undefined {
  const cause = error instanceof ImgctlError ? error.cause : error;
  return cause instanceof GrpcError ? cause.code : undefined;
}

/** The text that containerd gave with the status. */
export function detailsOf(error: unknown): string {
  const cause = error instanceof ImgctlError ? error.cause : error;
  return cause instanceof GrpcError ? cause.details : '';
}

/** Whether what the call was about is not there. A lease that is not there is another matter. */
export function isNotFound(error: unknown): boolean {
  return statusOf(error) === status.notFound && !isLeaseLost(error);
}

export function alreadyExists(error: unknown): boolean {
  return statusOf(error) === status.alreadyExists;
}

function isLeaseLost(error: unknown): boolean {
  return (
    statusOf(error) === status.notFound &&
    /lease does not exist|lease "[^"]*": not found/.test(detailsOf(error))
  );
}

/** Any other UNAVAILABLE is the transport. */
function isLocked(error: unknown): boolean {
  return statusOf(error) === status.unavailable && /locked for/.test(detailsOf(error));
}
