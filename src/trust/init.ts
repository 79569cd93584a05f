import { randomBytes } from 'node:crypto';
import { mkdir, readdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { ImgctlError } from '../errors.ts';
import { whyUnreadable } from '../streams/read-small-file.ts';
import { isAgentCertificate, trustFiles } from './default-files.ts';
import { type CertificateFacts, describeCertificate } from './describe-certificate.ts';
import type { HostNames } from './host-names.ts';
import {
  clientDue,
  commonName,
  hostAgents,
  type IssuedCertificate,
  issueAll,
  sharedAgent,
} from './issued.ts';
import { authorityValidity } from './lifetimes.ts';
import { publishNew } from './publish-files.ts';
import { day } from './read-certificates.ts';

export interface InitOptions {
  readonly dir: string;
  /** Hosts that get a certificate of their own; none: one certificate for all agents. */
  readonly hosts: readonly HostNames[];
  /** Who the command is, for agents that want a certificate from it. */
  readonly client?: string | undefined;
  readonly now?: Date | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface InitResult {
  readonly authority: CertificateFacts;
  readonly certificates: readonly IssuedCertificate[];
}

/**
 * Makes what a cluster trusts: an authority, certificates that it signed, a token. All of the files appear, or none.
 * @throws ImgctlError `usage` where there are any already or a host is named twice, `certificate_invalid` where nothing can be written
 */
export async function initTrust(options: InitOptions): Promise<InitResult> {
  const { dir, hosts, client, now = new Date(), signal } = options;
  const agents = hosts.length === 0 ? [sharedAgent()] : hostAgents(hosts);
  await makeDirectory(dir);
  const { makeAuthority } = await import('./issue-certificate.ts');
  const authority = await makeAuthority(
    commonName(`imgctl CA ${day(now)} ${hostname()}`),
    authorityValidity(now),
  );
  const { files, certificates } = await issueAll(
    authority,
    [...agents, ...(client === undefined ? [] : [clientDue(client)])],
    now,
  );
  signal?.throwIfAborted();
  try {
    await publishNew(dir, [
      { name: trustFiles.caKey, text: authority.key, secret: true },
      ...files,
      { name: trustFiles.token, text: `${newToken()}\n`, secret: true },
      // Last: where it stands, the others do
      { name: trustFiles.ca, text: authority.cert, secret: false },
    ]);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') await refuseExisting(dir);
    throw unwritable(dir, cause);
  }
  return { authority: describeCertificate(authority.cert), certificates };
}

/** 256 random bits, in characters that need no quotes anywhere. */
export function newToken(): string {
  return randomBytes(32).toString('base64url');
}

async function makeDirectory(dir: string): Promise<void> {
  try {
    await makePath(dir);
  } catch (cause) {
    throw unwritable(dir, cause);
  }
  await refuseExisting(dir);
}

/** The `recursive` of Node.js never ends where a directory exists in which none can be made, as in /proc. */
async function makePath(dir: string): Promise<void> {
  const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code;
  const make = () =>
    mkdir(dir, { mode: 0o700 }).catch((error) => {
      if (codeOf(error) !== 'EEXIST') throw error;
    });
  try {
    await make();
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || dirname(dir) === dir) throw error;
    await makePath(dirname(dir));
    await make();
  }
}

/** A second authority would leave every node that trusts the first one behind. */
async function refuseExisting(dir: string): Promise<void> {
  const ours = new Set<string>(Object.values(trustFiles));
  const there = (await readdir(dir).catch(() => []))
    .filter((name) => ours.has(name) || isAgentCertificate(name))
    .sort();
  if (there.length === 0) return;
  const whole = there.includes(trustFiles.ca);
  throw new ImgctlError('usage', `${dir} holds ${there.join(', ')} already: nothing was changed`, {
    hint: whole
      ? '--renew makes new certificates from the authority that is there, `imgctl token rotate` a new token; --dir DIR makes another set, for another cluster.'
      : 'There is no ca.crt, so the set is not whole. Remove what is left of it, or make another with --dir DIR.',
    context: { path: dir },
  });
}

export function unwritable(dir: string, cause: unknown): ImgctlError {
  const code = (cause as NodeJS.ErrnoException).code;
  const why =
    code === 'ENOSPC' ? 'the disk is full' : code === 'EROFS' ? 'it is read-only' : whyUnreadable(cause);
  return new ImgctlError('certificate_invalid', `nothing could be written to ${dir}: ${why}`, {
    hint: 'Name a directory that this user may write to with --dir DIR.',
    context: { path: dir },
    cause,
  });
}
