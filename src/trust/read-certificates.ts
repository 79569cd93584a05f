import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { ImgctlError } from '../errors.ts';
import { readSmallFile, whyUnreadable } from '../streams/read-small-file.ts';

/** Certificates and keys as they stand in files, checked before anybody is met with them. All PEM. */

const block = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** Those who sign: one or several certificates, of which at least one counts now. @throws ImgctlError `certificate_invalid` */
export async function readAuthorities(path: string, now = new Date()): Promise<string> {
  const text = await readText(path);
  const certificates = parseCertificates(text, path);
  const stranger = certificates.find((certificate) => !certificate.ca && !signedByItself(certificate));
  if (stranger !== undefined) {
    throw invalid(path, 'holds the certificate of a host, not of an authority', {
      hint: `Name the authority that signed it: the ca.crt that \`imgctl init\` made.`,
    });
  }
  const reasons = certificates.map((certificate) => whyNotNow(certificate, now));
  const [reason] = reasons;
  if (reason !== undefined && reasons.every((each) => each !== undefined)) {
    throw invalid(path, `does not count now: ${reason}`, {
      hint: '`imgctl init --renew`, run where ca.key is, extends an authority. Check the clock of this machine too.',
    });
  }
  return text;
}

export interface KeyPairFiles {
  readonly cert: string;
  readonly key: string;
}

/** A certificate that counts now, with those that lead to its authority, and its key. @throws ImgctlError `certificate_invalid` */
export async function readKeyPair(files: KeyPairFiles, now = new Date()): Promise<KeyPairFiles> {
  const [cert, key] = await Promise.all([readText(files.cert), readText(files.key)]);
  const [certificate] = parseCertificates(cert, files.cert);
  const privateKey = parsePrivateKey(key, files.key);
  if (!certificate?.checkPrivateKey(privateKey)) {
    throw invalid(files.key, `is not the key of ${files.cert}`, {
      hint: 'Name the two that were made together: a certificate and its private key.',
    });
  }
  const reason = whyNotNow(certificate, now);
  if (reason !== undefined) {
    throw invalid(files.cert, `does not count now: ${reason}`, {
      hint: '`imgctl init --renew`, run where ca.key is, makes new ones. Check the clock of this machine too.',
    });
  }
  return { cert, key };
}

export function parseCertificates(text: string, path: string): X509Certificate[] {
  const blocks = text.match(block) ?? [];
  if (blocks.length === 0) {
    throw invalid(path, text.includes('PRIVATE KEY-----') ? 'holds a key only' : 'holds no certificate', {
      hint: 'A certificate in PEM starts with -----BEGIN CERTIFICATE-----.',
    });
  }
  try {
    return blocks.map((pem) => new X509Certificate(pem));
  } catch (cause) {
    throw invalid(path, 'holds a certificate that cannot be understood', {
      hint: 'Copy it again: it was cut off or changed on its way.',
      cause,
    });
  }
}

export function parsePrivateKey(text: string, path: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch (cause) {
    const locked = /^(-----BEGIN ENCRYPTED|Proc-Type:.*ENCRYPTED)/m.test(text);
    throw invalid(path, locked ? 'is locked with a passphrase' : 'holds no private key', {
      hint: locked
        ? `Unlock it, for example with: openssl pkey -in ${path} -out unlocked.key.`
        : 'A private key in PEM starts with -----BEGIN PRIVATE KEY-----.',
      cause,
    });
  }
}

export async function readText(path: string): Promise<string> {
  try {
    return await readSmallFile(path);
  } catch (cause) {
    throw invalid(path, `cannot be read: ${whyUnreadable(cause)}`, {
      hint: 'Check the path, and that this user may read it; imgctl init makes certificates.',
      cause,
    });
  }
}

function whyNotNow({ validFromDate, validToDate }: X509Certificate, now: Date): string | undefined {
  if (validToDate < now) return `it ended on ${day(validToDate)}`;
  if (validFromDate > now) return `it starts on ${day(validFromDate)}`;
  return undefined;
}

export function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}

function signedByItself(certificate: X509Certificate): boolean {
  return certificate.checkIssued(certificate);
}

function invalid(path: string, what: string, options: { hint?: string; cause?: unknown }): ImgctlError {
  return new ImgctlError('certificate_invalid', `${path} ${what}`, { ...options, context: { path } });
}
