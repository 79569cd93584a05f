import { randomBytes } from 'node:crypto';
import { link, mkdir, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hasCode, ImgctlError } from '../errors.ts';
import {
  type AcceptedToken,
  isReadableByAll,
  previousTokenFile,
  readAcceptedTokens,
  readToken,
} from '../trust/token-file.ts';
import { LiveFiles } from './live-files.ts';
import type { Log } from './log.ts';

export interface TokenFiles {
  /** Absent: `own`, made on first start. */
  readonly named: string | undefined;
  readonly own: string;
}

/** What the agent accepts, as it stands in its files; `onChange` when they hold something else. @throws ImgctlError `token_missing` */
export async function openTokens(
  { named, own }: TokenFiles,
  {
    log,
    everyMs,
    onChange,
  }: { log: Log; everyMs: number; onChange: (tokens: readonly AcceptedToken[]) => void },
): Promise<LiveFiles<readonly AcceptedToken[]>> {
  const path = named ?? own;
  if (named === undefined && (await makeToken(own))) log.info({ path }, 'token made');
  const live = await LiveFiles.open({
    paths: [path, previousTokenFile(path)],
    read: () => readLongTokens(path, log),
    everyMs,
    onChange: (tokens) => {
      onChange(tokens);
      log.info({ path, previousUntil: tokens[1]?.until?.toISOString() }, 'token read again');
    },
    onFailure: ({ message }) =>
      log.error({ path, message }, 'the token cannot be read again: the old one stays in use'),
  });
  if (await isReadableByAll(path)) {
    log.warn({ path }, 'every user of this machine can read the token: chmod 600');
  }
  return live;
}

async function readLongTokens(path: string, log: Log): Promise<readonly AcceptedToken[]> {
  const tokens = await readAcceptedTokens(path, (message) => log.warn({ path }, message));
  const short = tokens.find(({ token }) => token.length < 16);
  if (short === undefined) return tokens;
  throw new ImgctlError('token_missing', `the token in ${path} has ${short.token.length} characters`, {
    hint: 'Use at least 16 random ones, for example from: openssl rand -hex 32.',
    context: { path },
  });
}

/**
 * Makes the file unless it is there, and answers whether it did. It appears with its content and mode or not at all:
 * of two agents that start at once, one makes it and the other reads it.
 */
async function makeToken(path: string): Promise<boolean> {
  try {
    await readToken(path);
    return false;
  } catch (error) {
    const missing =
      hasCode(error, 'token_missing') && (error.cause as NodeJS.ErrnoException)?.code === 'ENOENT';
    if (!missing) throw error;
  }
  const unfinished = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await using file = await open(unfinished, 'wx', 0o600);
    await file.writeFile(`${randomBytes(32).toString('base64url')}\n`);
    await file.sync();
    await link(unfinished, path);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new ImgctlError('token_missing', `no token could be made at ${path}`, {
      hint: 'Give the agent a directory that it may write to with --data-dir, or a token with --token-file.',
      context: { path },
      cause,
    });
  } finally {
    await rm(unfinished, { force: true });
  }
}
