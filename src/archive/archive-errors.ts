import { ImgctlError } from '../errors.ts';

/** The two errors that every reader of archives throws, worded alike. `label` is what the user calls the archive. */

/** Bytes that should follow are not there. `what` ends the sentence "LABEL is cut off: …". */
export function truncated(label: string, what: string, cause?: unknown): ImgctlError {
  return new ImgctlError('archive_truncated', `${label} is cut off: ${what}`, {
    hint: 'Copy or download the archive again, and compare its size with the original.',
    context: { path: label },
    cause,
  });
}

/**
 * The bytes that are there make no sense, or cannot be had. `why` ends the sentence "LABEL cannot be read: …". Where it is
 * the operating system that refuses, its code is the `reason` in the context.
 */
export function unreadable(
  label: string,
  why: string,
  {
    hint = 'Copy the archive again, or save the image again.',
    cause,
  }: { hint?: string; cause?: unknown } = {},
): ImgctlError {
  const { code } = (cause ?? {}) as { code?: unknown };
  const reason = typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? { reason: code } : {};
  return new ImgctlError('archive_unreadable', `${label} cannot be read: ${why}`, {
    hint,
    context: { path: label, ...reason },
    cause,
  });
}
