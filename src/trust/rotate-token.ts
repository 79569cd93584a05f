import { join } from 'node:path';
import { hasCode, ImgctlError } from '../errors.ts';
import { whyUnreadable } from '../streams/read-small-file.ts';
import { trustFiles } from './default-files.ts';
import { newToken } from './init.ts';
import { replaceFiles } from './publish-files.ts';
import { type AcceptedToken, formatPreviousToken } from './token.ts';
import { previousTokenFile, readAcceptedTokens } from './token-file.ts';

export interface RotateOptions {
  readonly dir: string;
  /** How long agents go on accepting the old token, in milliseconds; 0: not at all. */
  readonly keepMs: number;
  readonly now?: Date | undefined;
}

export interface RotateResult {
  /** Until when the old token is accepted. */
  readonly until: Date;
  /** The one before the old token was still good until then, and counts no more. */
  readonly dropped?: Date | undefined;
}

/**
 * Puts a new token in place of the one in the directory, and keeps that beside it with its end. The old one is written
 * first: whatever happens in between, no token is lost. @throws ImgctlError `token_missing`
 */
export async function rotateToken({ dir, keepMs, now = new Date() }: RotateOptions): Promise<RotateResult> {
  const path = join(dir, trustFiles.token);
  const [current, previous] = await tokensThere(path);
  const until = new Date(now.getTime() + keepMs);
  try {
    await replaceFiles(dir, [
      {
        name: previousTokenFile(trustFiles.token),
        text: formatPreviousToken({ token: current.token, until }),
        secret: true,
      },
      { name: trustFiles.token, text: `${newToken()}\n`, secret: true },
    ]);
  } catch (cause) {
    throw new ImgctlError('token_missing', `no token could be written to ${dir}: ${whyUnreadable(cause)}`, {
      hint: 'Name the directory that `imgctl init` made, as a user who may write to it, with --dir DIR.',
      context: { path: dir },
      cause,
    });
  }
  const dropped = previous?.until;
  return { until, dropped: dropped !== undefined && dropped > now ? dropped : undefined };
}

async function tokensThere(path: string): Promise<[AcceptedToken, AcceptedToken?]> {
  try {
    const [current, previous] = await readAcceptedTokens(path);
    if (current === undefined) throw new TypeError('the first token is the current one');
    return previous === undefined ? [current] : [current, previous];
  } catch (error) {
    if (!hasCode(error, 'token_missing')) throw error;
    throw new ImgctlError('token_missing', error.message, {
      hint: 'Run this where `imgctl init` made the token of the cluster, or name its directory with --dir DIR.',
      context: error.context,
      cause: error.cause,
    });
  }
}
