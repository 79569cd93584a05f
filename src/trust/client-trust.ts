import { access, constants } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ImgctlError } from '../errors.ts';
import { defaultTrustDirs, trustFiles } from './default-files.ts';
import { readAuthorities, readKeyPair } from './read-certificates.ts';
import {
  type AcceptedToken,
  findLocalToken,
  isReadableByAll,
  readAcceptedTokens,
  tellReadableByAll,
} from './token-file.ts';

/**
 * trust/ holds what a cluster trusts: authorities, certificates, tokens. Promises: private keys and tokens are written
 * with mode 0600 and never printed. May import: errors, streams, image; the X.509 library here and nowhere else.
 */

/** What a command shows to agents, and verifies them against. */
export interface ClientTrust {
  readonly token?: string | undefined;
  /** The one before it, while agents accept that as well: nodes may not have heard of the new one. */
  readonly previousToken?: string | undefined;
  /** PEM; absent: no authority was given, and only what this machine trusts anyway is believed. */
  readonly ca?: string | undefined;
  /** Where `ca` was read from, for messages. */
  readonly caFile?: string | undefined;
  /** PEM: a certificate of the command's own, for agents that ask for one (mutual TLS). */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

export interface TrustFiles {
  readonly caFile?: string | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly tokenFile?: string | undefined;
}

type Env = Readonly<Record<string, string | undefined>>;

/**
 * Reads the files that were named, checks them, and finds the others. `warn` hears of secrets that everybody can read.
 * @throws ImgctlError `token_missing`, `certificate_invalid`, `usage`
 */
export async function loadClientTrust(
  named: TrustFiles,
  env: Env,
  warn: (message: string) => void = () => {},
): Promise<ClientTrust> {
  if ((named.certFile === undefined) !== (named.keyFile === undefined)) {
    throw new ImgctlError('usage', '--cert and --key go together', {
      hint: 'Name both, the certificate and its private key.',
    });
  }
  const files = await findTrustFiles(named, env);
  const { caFile, certFile, keyFile, tokenFile } = files;
  const [[current, previous], ca, pair] = await Promise.all([
    tokenFile === undefined ? localTokens(env) : readAcceptedTokens(tokenFile, warn),
    caFile === undefined ? undefined : readAuthorities(caFile),
    certFile === undefined || keyFile === undefined
      ? undefined
      : readKeyPair({ cert: certFile, key: keyFile }),
  ]);
  for (const secret of [tokenFile, keyFile]) {
    if (secret !== undefined && (await isReadableByAll(secret).catch(() => false))) {
      warn(tellReadableByAll(secret));
    }
  }
  const previousToken = isOver(previous) ? undefined : previous?.token;
  return { token: current?.token, previousToken, ca, caFile, cert: pair?.cert, key: pair?.key };
}

async function localTokens(env: Env): Promise<readonly AcceptedToken[]> {
  const token = await findLocalToken(env);
  return token === undefined ? [] : [{ token }];
}

function isOver(token: AcceptedToken | undefined): boolean {
  return token?.until !== undefined && token.until.getTime() <= Date.now();
}

/**
 * Files that were not named. A token goes to nodes that its own authority vouches for, and to no other: what was not
 * named stands beside what was, and all that is found by itself comes from one directory.
 */
export async function findTrustFiles(named: TrustFiles, env: Env): Promise<TrustFiles> {
  const dir = named.caFile === undefined ? await trustDir(named, env) : dirname(named.caFile);
  if (dir === undefined) return named;
  const [caFile, tokenFile, certFile, keyFile] = await Promise.all([
    named.caFile ?? readable(join(dir, trustFiles.ca)),
    named.tokenFile ?? readable(join(dir, trustFiles.token)),
    named.certFile ?? readable(join(dir, trustFiles.clientCert)),
    named.keyFile ?? readable(join(dir, trustFiles.clientKey)),
  ]);
  const pair = certFile === undefined || keyFile === undefined ? {} : { certFile, keyFile };
  return { caFile, tokenFile, ...pair };
}

/** Beside the token that was named, else the first place with an authority, else with a token. */
async function trustDir({ tokenFile }: TrustFiles, env: Env): Promise<string | undefined> {
  const places = defaultTrustDirs(env);
  const beside = tokenFile === undefined ? [] : [dirname(tokenFile)];
  for (const dir of [...beside, ...places]) if (await readable(join(dir, trustFiles.ca))) return dir;
  for (const dir of places) if (await readable(join(dir, trustFiles.token))) return dir;
  return undefined;
}

async function readable(path: string): Promise<string | undefined> {
  try {
    await access(path, constants.R_OK);
    return path;
  } catch {
    return undefined;
  }
}
