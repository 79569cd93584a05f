import { readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { ImgctlError } from '../errors.ts';

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
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new ImgctlError('token_missing', `the token file ${path} cannot be read: ${reasonOf(cause)}`, {
      hint: "Name another with --token-file FILE: an agent's token is in the file `token` of its data directory, readable by the user that it runs as.",
      context: { path },
      cause,
    });
  }
  const token = text.trim();
  // What a header can carry (RFC 6750, b64token, and a little more)
  if (/^[\x21-\x7e]{1,4096}$/.test(token)) return token;
  throw new ImgctlError(
    'token_missing',
    token === '' ? `the token file ${path} is empty` : `what is in ${path} is not a token`,
    {
      hint: 'A token file holds one line of printable characters without spaces. Delete it, and the agent makes a new one.',
      context: { path },
    },
  );
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

function reasonOf(cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'ENOENT') return 'it does not exist';
  if (code === 'EACCES' || code === 'EPERM') return 'this user may not';
  if (code === 'EISDIR') return 'it is a directory';
  return String(code ?? cause);
}
