import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ImgctlError } from '../errors.ts';
import { isAgentCertificate, trustFiles } from './default-files.ts';
import { describeCertificate } from './describe-certificate.ts';
import { type InitOptions, type InitResult, unwritable } from './init.ts';
import type { KeyPair } from './issue-certificate.ts';
import { agentDue, clientDue, type Due, hostAgents, issueAll, sharedAgent } from './issued.ts';
import { authorityValidity, certificateMs } from './lifetimes.ts';
import { type NewFile, replaceFiles } from './publish-files.ts';
import { parseCertificates, parsePrivateKey, readText } from './read-certificates.ts';

export interface RenewResult extends InitResult {
  /** The authority was extended too: its certificate is to be handed out again. */
  readonly extended: boolean;
}

/**
 * New certificates, with new keys, from the authority in the directory: for the hosts (and client) that are named, else
 * for all that have one. An authority that would end before them is extended, with its key and name, so that whoever
 * trusts it goes on doing so. The token is left alone. @throws ImgctlError `usage`, `certificate_invalid`
 */
export async function renewTrust(options: InitOptions): Promise<RenewResult> {
  const { dir, hosts, client, now = new Date(), signal } = options;
  const before = await readAuthority(dir);
  const authority = await extendedWhereDue(before, now);
  const named = [...hostAgents(hosts), ...(client === undefined ? [] : [clientDue(client)])];
  const due = named.length > 0 ? named : await allThere(dir);
  const { files, certificates } = await issueAll(authority, due, now);
  const extended = authority !== before;
  const ca: NewFile[] = extended ? [{ name: trustFiles.ca, text: authority.cert, secret: false }] : [];
  signal?.throwIfAborted();
  try {
    await replaceFiles(dir, [...ca, ...files]);
  } catch (cause) {
    throw unwritable(dir, cause);
  }
  return { authority: describeCertificate(authority.cert), certificates, extended };
}

async function readAuthority(dir: string): Promise<KeyPair> {
  const paths = { cert: join(dir, trustFiles.ca), key: join(dir, trustFiles.caKey) };
  const [cert, key] = await Promise.all([readText(paths.cert), readText(paths.key)]).catch((error) => {
    throw new ImgctlError('certificate_invalid', `nothing can be renewed: ${error.message}`, {
      hint: `Run this where the cluster's authority was made: ${trustFiles.caKey} is not copied to nodes. Without --renew, a new one is made.`,
      context: { path: dir },
      cause: error,
    });
  });
  const [certificate] = parseCertificates(cert, paths.cert);
  if (!certificate?.checkPrivateKey(parsePrivateKey(key, paths.key))) {
    throw new ImgctlError('certificate_invalid', `${paths.key} is not the key of ${paths.cert}`, {
      hint: 'Bring back the two that were made together.',
      context: { path: paths.key },
    });
  }
  return { cert, key };
}

/** One that another authority signed can be extended only there. */
async function extendedWhereDue(authority: KeyPair, now: Date): Promise<KeyPair> {
  const { notAfter, subject, issuer } = describeCertificate(authority.cert);
  if (subject !== issuer || notAfter.getTime() >= now.getTime() + certificateMs) return authority;
  const { extendAuthority } = await import('./issue-certificate.ts');
  return extendAuthority(authority, authorityValidity(now));
}

async function allThere(dir: string): Promise<Due[]> {
  const names = (await readdir(dir)).sort();
  const agents = names.filter(isAgentCertificate).map((name) => againFor(dir, name));
  const due = await Promise.all(agents);
  if (names.includes(trustFiles.clientCert)) {
    due.push(clientDue((await factsOf(join(dir, trustFiles.clientCert))).subject));
  }
  return due.length === 0 ? [sharedAgent()] : due;
}

async function againFor(dir: string, cert: string): Promise<Due> {
  const [first, ...others] = (await factsOf(join(dir, cert))).names;
  if (first === undefined) {
    throw new ImgctlError('certificate_invalid', `${join(dir, cert)} is for no host`, {
      hint: 'Name its host again with --host NAME_OR_ADDRESS, or remove the file.',
      context: { path: join(dir, cert) },
    });
  }
  return agentDue({ cert, key: cert.replace(/\.crt$/, '.key') }, [first, ...others]);
}

async function factsOf(path: string): Promise<ReturnType<typeof describeCertificate>> {
  const text = await readText(path);
  parseCertificates(text, path);
  return describeCertificate(text);
}
