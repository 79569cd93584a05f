import { readFile } from 'node:fs/promises';
import { ImgctlError } from '../errors.ts';
import { findLocalToken, readToken } from './token-file.ts';

/**
 * trust/ holds what a cluster trusts: authorities, certificates, tokens. Promises: private keys and tokens are written
 * with mode 0600 and never printed. May import: errors, streams, image; the X.509 library here and nowhere else.
 */

/** What a command shows to agents, and verifies them against. */
export interface ClientTrust {
  readonly token?: string | undefined;
  /** PEM; absent: no authority was given, and only what this machine trusts anyway is believed. */
  readonly ca?: string | undefined;
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

/** Reads the files that were named. @throws ImgctlError `token_missing`, `certificate_invalid`, `usage` */
export async function loadClientTrust(files: TrustFiles, env: Env): Promise<ClientTrust> {
  if ((files.certFile === undefined) !== (files.keyFile === undefined)) {
    throw new ImgctlError('usage', '--cert and --key go together', {
      hint: 'Name both, the certificate and its private key.',
    });
  }
  const [token, ca, cert, key] = await Promise.all([
    files.tokenFile === undefined ? findLocalToken(env) : readToken(files.tokenFile),
    readPem(files.caFile),
    readPem(files.certFile),
    readPem(files.keyFile),
  ]);
  return { token, ca, cert, key };
}

async function readPem(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new ImgctlError('certificate_invalid', `${path} cannot be read`, { context: { path }, cause });
  }
}
