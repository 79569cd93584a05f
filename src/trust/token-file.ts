import { stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { ImgctlError } from '../errors.ts';
import { readSmallFile, whyUnreadable } from '../streams/read-small-file.ts';
import { type AcceptedToken, isToken, parsePreviousToken } from './token.ts';

export type { AcceptedToken } from './token.ts';

/** Where the token of a cluster's agents is kept on this machine, for the agent that makes it and the command that reads it. */

type Env = Readonly<Record<string, string | undefined>>;

const systemDataDir = '/var/lib/imgctl';

/** `/var/lib/imgctl` for root, else imgctl's folder in the XDG state directory. */
export function defaultDataDir(env: Env, uid = process.getuid?.()): string {
  if (uid === 0) return systemDataDir;
  const state = env.XDG_STATE_HOME;
  // The specification: a relative path there is to be ignored
  return join(state?.startsWith('/') ? state : join(env.HOME ?? homedir(), '.local', 'state'), 'imgctl');
}

export function tokenFileIn(dataDir: string): string {
  return join(dataDir, 'token');
}

/** A token as it stands in a file, without the line's end. @throws ImgctlError `token_missing` */
export async function readToken(path: string): Promise<string> {
  let text: string;
  try {
    text = await readSmallFile(path);
  } catch (cause) {
    throw new ImgctlError('token_missing', `the token file ${path} cannot be read: ${whyUnreadable(cause)}`, {
      hint: "Name another with --token-file FILE: an agent's token is in the file `token` of its data directory, readable by the user that it runs as.",
      context: { path },
      cause,
    });
  }
  const token = text.trim();
  if (isToken(token)) return token;
  throw new ImgctlError(
    'token_missing',
    token === '' ? `the token file ${path} is empty` : `what is in ${path} is not a token`,
    {
      hint: 'A token file holds one line of printable characters without spaces. Delete it, and the agent makes a new one.',
      context: { path },
    },
  );
}

/** The old token and its end stand beside the token file, on two lines: the token, an RFC 3339 time. */
export function previousTokenFile(path: string): string {
  return `${path}.previous`;
}

/**
 * The token in the file, then the one before it where `FILE.previous` is there; whether that one's time has passed is
 * for the caller's clock to say. An old token that cannot be read is left out, and `warn` hears why.
 * @throws ImgctlError `token_missing`
 */
export async function readAcceptedTokens(
  path: string,
  warn: (message: string) => void = () => {},
): Promise<readonly AcceptedToken[]> {
  const token = await readToken(path);
  const previous = await readPreviousToken(path, warn);
  return previous === undefined || previous.token === token ? [{ token }] : [{ token }, previous];
}

async function readPreviousToken(
  path: string,
  warn: (message: string) => void,
): Promise<AcceptedToken | undefined> {
  const file = previousTokenFile(path);
  try {
    const previous = parsePreviousToken(await readSmallFile(file));
    if (previous === undefined) warn(`${file} is not a token and a time on two lines: it is ignored`);
    return previous;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT')
      warn(`${file} cannot be read: ${whyUnreadable(cause)}: it is ignored`);
    return undefined;
  }
}

/** The token of the agent on this machine, where this user may read it. */
export async function findLocalToken(env: Env, uid = process.getuid?.()): Promise<string | undefined> {
  for (const dataDir of new Set([defaultDataDir(env, uid), systemDataDir])) {
    try {
      return await readToken(tokenFileIn(dataDir));
    } catch {
      // Not made, or not ours to read: the next one, or none
    }
  }
  return undefined;
}

/** Whether others than its owner and group may read the file. */
export async function isReadableByAll(path: string): Promise<boolean> {
  return ((await stat(path)).mode & 0o004) !== 0;
}

/** The warning of such a file. */
export function tellReadableByAll(path: string): string {
  return `every user of this machine can read ${path}: chmod 600 ${path}`;
}
