import { ImgctlError } from '../../errors.ts';
import type { Descriptor } from '../../image/descriptor.ts';
import type { Digest } from '../../image/digest.ts';

const damaged = 'The archive was damaged: copy or save it again.';

export function sizeMismatch(
  { digest, size }: { digest?: Digest; size: number },
  actual: number,
): ImgctlError {
  const context = digest === undefined ? {} : { digest };
  return new ImgctlError(
    'size_mismatch',
    `${digest ?? 'the blob'} has ${actual} bytes or more, not ${size}`,
    {
      hint: damaged,
      context,
    },
  );
}

export function digestMismatch({ digest }: Descriptor, actual: Digest): ImgctlError {
  return new ImgctlError('digest_mismatch', `the bytes of ${digest} have the digest ${actual}`, {
    hint: damaged,
    context: { digest },
  });
}

export function offsetMismatch({ digest }: Descriptor, offset: number, held: number): ImgctlError {
  return new ImgctlError(
    'offset_mismatch',
    `${digest}: ${held} bytes are here, the write starts at ${offset}`,
    {
      hint: 'Write on from the offset that the store holds.',
      context: { digest, offset: held },
    },
  );
}

export function blobLocked({ digest }: Descriptor): ImgctlError {
  return new ImgctlError('blob_locked', `another process is writing ${digest}, and does not go on`, {
    hint: 'Let the other import finish, or end it, then try again.',
    context: { digest },
  });
}

export function blobUnknown(digest: Digest): ImgctlError {
  return new ImgctlError('blob_unknown', `the store does not hold ${digest}`, { context: { digest } });
}

export function leaseLost(): ImgctlError {
  return new ImgctlError('lease_lost', 'the lease has ended: what is written now would be lost', {
    hint: 'Declare the import again: what has arrived is still there.',
  });
}

/** The same promise; what the file system refuses is told as the store's own error. Never around the source's reads. */
export async function ofStore<T>(directory: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    throw toStoreError(directory, cause);
  }
}

function toStoreError(directory: string, cause: unknown): unknown {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new ImgctlError('store_full', `no space is left on the file system of ${directory}`, {
        hint: 'Remove images that are not needed (imgctl images rm), or give it more space; then import again: what has arrived is kept.',
        context: { path: directory },
        cause,
      });
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    // The lock's file cannot be opened: SQLite does not tell why
    case 'ERR_SQLITE_ERROR':
      return new ImgctlError('store_failed', `${directory} cannot be written`, {
        hint: 'Give the user that runs this permission to write there, or choose another directory.',
        context: { path: directory },
        cause,
      });
    case 'EIO':
      return new ImgctlError('store_failed', `the disk under ${directory} fails`, {
        hint: "See the kernel's log (dmesg) for the device's errors.",
        context: { path: directory },
        cause,
      });
    default:
      return cause;
  }
}
