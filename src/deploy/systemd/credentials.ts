import { access, constants, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ImgctlError } from '../../errors.ts';

/** What `imgctl init` made and an agent needs. The authority's own key is not among it: it never leaves its directory. */
export interface Credentials {
  readonly files: readonly { readonly name: string; readonly text: string }[];
}

const needed = ['ca.crt', 'agent.crt', 'agent.key', 'token'] as const;
/** While a token is changed, agents still take the one before. */
const optional = ['token.previous'] as const;

/** A certificate of a host's own among the files of the directory, and its key. */
export interface OwnCertificate {
  readonly cert: string;
  readonly key: string;
}

/**
 * What one host gets: with `own`, where both files are there, that certificate in place of the one that all may share.
 * @throws ImgctlError `certificate_invalid` where a file is absent or cannot be read, or is plainly something else
 */
export async function readCredentials(directory: string, own?: OwnCertificate): Promise<Credentials> {
  const files: { name: string; text: string }[] = [];
  const isOwn =
    own !== undefined && (await areThere([own.cert, own.key].map((name) => join(directory, name))));
  const source: Readonly<Record<string, string>> = isOwn
    ? { 'agent.crt': own.cert, 'agent.key': own.key }
    : {};
  for (const name of needed)
    files.push({ name, text: await readNeeded(join(directory, source[name] ?? name)) });
  for (const name of optional) {
    const text = await readFile(join(directory, name), 'utf8').catch(() => undefined);
    if (text !== undefined) files.push({ name, text });
  }
  for (const { name, text } of files) refuseStrange(join(directory, name), name, text);
  return { files };
}

/** Whether a directory is one that `imgctl init` made, or a copy of it. */
export async function hasCredentials(directory: string): Promise<boolean> {
  return areThere([join(directory, 'agent.crt')]);
}

async function areThere(paths: readonly string[]): Promise<boolean> {
  try {
    for (const path of paths) await access(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

async function readNeeded(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new ImgctlError('certificate_invalid', `${path} cannot be read`, {
      hint: 'Make the credentials of a cluster with imgctl init, and name their directory with --dir.',
      context: { path },
      cause,
    });
  }
}

function refuseStrange(path: string, name: string, text: string): void {
  const kind = name.endsWith('.crt') ? 'CERTIFICATE' : name.endsWith('.key') ? 'PRIVATE KEY' : undefined;
  const fits =
    text.length <= 64 * 1024 &&
    (kind === undefined
      ? /^[\x21-\x7e]+(?:\r?\n[\x21-\x7e]*)*$/.test(text)
      : /^[\x20-\x7e\r\n]*$/.test(text) && new RegExp(`^-----BEGIN (?:\\w+ )?${kind}-----`, 'm').test(text));
  if (fits) return;
  throw new ImgctlError('certificate_invalid', `${path} is not what imgctl init makes`, {
    hint:
      kind === undefined
        ? 'It should hold a token, one line.'
        : `It should hold a ${kind.toLowerCase()} in PEM.`,
    context: { path },
  });
}
