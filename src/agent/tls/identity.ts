import { createPrivateKey, X509Certificate } from 'node:crypto';
import { dirname, join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { ImgctlError } from '../../errors.ts';
import { readSmallFile, whyUnreadable } from '../../streams/read-small-file.ts';
import { describeCertificate } from '../../trust/describe-certificate.ts';

/** What an agent shows, and whom it believes. */

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  /** Peers are verified against it; absent: `ca.crt` beside the certificate, where that is there. */
  readonly ca?: string | undefined;
  /** Clients must show a certificate that it signed. */
  readonly clientCa?: string | undefined;
}

/** PEM, and what a log line says of it. */
export interface TlsIdentity {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string | undefined;
  /** Where `ca` was read from. */
  readonly caFile?: string | undefined;
  readonly clientCa?: string | undefined;
  readonly names: readonly string[];
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** SHA-256, as OpenSSL shows it. */
  readonly fingerprint: string;
}

export function peerAuthorityOf({ cert, ca }: TlsFiles): string {
  return ca ?? join(dirname(cert), 'ca.crt');
}

/**
 * Reads what belongs together, and answers it only if it does.
 * @throws ImgctlError `certificate_invalid`, naming the file
 */
export async function readIdentity(files: TlsFiles): Promise<TlsIdentity> {
  const cert = await read(files.cert);
  const key = await read(files.key);
  const ca = files.ca === undefined ? await readIfThere(peerAuthorityOf(files)) : await read(files.ca);
  const clientCa = files.clientCa === undefined ? undefined : await read(files.clientCa);
  const leaf = certificateIn(cert, files.cert);
  if (ca !== undefined) certificateIn(ca, peerAuthorityOf(files));
  if (clientCa !== undefined && files.clientCa !== undefined) certificateIn(clientCa, files.clientCa);
  if (!leaf.checkPrivateKey(privateKeyIn(key, files.key))) {
    throw invalid(`${files.key} is not the private key of the certificate ${files.cert}`, files.key);
  }
  mustServe({ cert, key, clientCa }, files.cert);
  const { names, notBefore, notAfter, fingerprint256: fingerprint } = describeCertificate(cert);
  const caFile = ca === undefined ? undefined : peerAuthorityOf(files);
  return { cert, key, ca, caFile, clientCa, names, notBefore, notAfter, fingerprint };
}

async function read(path: string): Promise<string> {
  try {
    return await readSmallFile(path);
  } catch (cause) {
    throw invalid(`${path} cannot be read: ${whyUnreadable(cause)}`, path, cause);
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readSmallFile(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw invalid(`${path} cannot be read: ${whyUnreadable(cause)}`, path, cause);
  }
}

function certificateIn(pem: string, path: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw invalid(`what is in ${path} is not a certificate in PEM`, path, cause);
  }
}

function privateKeyIn(pem: string, path: string): ReturnType<typeof createPrivateKey> {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw invalid(`what is in ${path} is not a private key in PEM without a passphrase`, path, cause);
  }
}

/** What parses may still be refused by OpenSSL: a key that is too small, a chain that is cut. */
function mustServe(pem: Pick<TlsIdentity, 'cert' | 'key' | 'clientCa'>, path: string): void {
  try {
    createSecureContext({
      cert: pem.cert,
      key: pem.key,
      ...(pem.clientCa === undefined ? {} : { ca: pem.clientCa }),
    });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw invalid(`${path} cannot be served: ${why}`, path, cause);
  }
}

function invalid(message: string, path: string, cause?: unknown): ImgctlError {
  return new ImgctlError('certificate_invalid', message, {
    hint: 'Name PEM files with --tls-cert, --tls-key, --ca-file and --client-ca; imgctl init makes them.',
    context: { path },
    cause,
  });
}
