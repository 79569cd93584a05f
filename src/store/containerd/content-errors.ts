import { ImgctlError } from '../../errors.ts';
import type { Descriptor } from '../../image/descriptor.ts';
import { detailsOf } from './grpc/errors.ts';

/** What can be wrong with a blob's bytes. */

export function sizeMismatch({ digest, size }: Descriptor, actual: number, cause?: unknown): ImgctlError {
  const more = actual > size ? 'at least ' : '';
  return new ImgctlError('size_mismatch', `${digest || 'the blob'} has ${more}${actual} bytes, not ${size}`, {
    hint: 'The archive was damaged: copy or save it again.',
    context: { digest, size, actual },
    cause,
  });
}

export function offsetMismatch({ digest }: Descriptor, offset: number, held: number): ImgctlError {
  return new ImgctlError(
    'offset_mismatch',
    `${digest}: containerd holds ${held} bytes, the write starts at ${offset}`,
    { hint: 'Write on from the offset that the store holds.', context: { digest, offset: held } },
  );
}

export function blobUnknown(digest: string, cause?: unknown): ImgctlError {
  return new ImgctlError('blob_unknown', `containerd does not hold ${digest}`, {
    hint: 'It was removed meanwhile, or never imported: import the image again.',
    context: { digest },
    cause,
  });
}

/**
 * A COMMIT that containerd refused for the bytes' sake.
 * @param offset where the write began: bytes before it came from an earlier one, and may be what is wrong
 */
export function commitRefused({ digest }: Descriptor, offset: number, cause: unknown): ImgctlError {
  const actual = /unexpected commit digest (\S+?),/.exec(detailsOf(cause))?.[1];
  if (actual?.startsWith('sha256:') && !digest.startsWith('sha256:')) {
    return new ImgctlError('store_failed', `this containerd stores only sha256 blobs: ${digest}`, {
      hint: 'Save the image again with sha256 digests, as every image tool does by default.',
      context: { digest },
      cause,
    });
  }
  const resumed = offset > 0 ? ` (the first ${offset} of them from an earlier try)` : '';
  return new ImgctlError(
    'digest_mismatch',
    `the bytes of ${digest}${resumed} have the digest ${actual ?? 'of another blob'}`,
    {
      hint:
        offset > 0
          ? 'What arrived was discarded: import again, and the blob is sent from its beginning.'
          : 'The archive was damaged: copy or save it again.',
      context: { digest, offset },
      cause,
    },
  );
}
