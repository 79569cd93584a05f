import { X509Certificate } from 'node:crypto';
import { isIPv6 } from 'node:net';

export interface CertificateFacts {
  /** As people read it: its common name, else all of its name. */
  readonly subject: string;
  /** DNS names and IP addresses that it is for. */
  readonly names: readonly string[];
  readonly issuer: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** SHA-256, upper-case pairs of hexadecimal digits apart by colons, as OpenSSL shows it. */
  readonly fingerprint256: string;
  readonly isAuthority: boolean;
}

/** What stands in a certificate, the first one of PEM text. @throws as X509Certificate does when it is none */
export function describeCertificate(pem: string): CertificateFacts {
  const certificate = new X509Certificate(pem);
  return {
    subject: commonName(certificate.subject),
    names: namesOf(certificate.subjectAltName),
    issuer: commonName(certificate.issuer),
    notBefore: certificate.validFromDate,
    notAfter: certificate.validToDate,
    fingerprint256: certificate.fingerprint256,
    isAuthority: certificate.ca,
  };
}

/** Node shows a name as `CN=…` lines. */
function commonName(name: string | undefined): string {
  const text = name ?? '';
  return /^CN=(.+)$/m.exec(text)?.[1] ?? text.replaceAll('\n', ', ');
}

/** `DNS:a, IP Address:10.0.0.1`; names with commas in them are quoted, and are no names of hosts. */
function namesOf(alternatives: string | undefined): string[] {
  return [...(alternatives ?? '').matchAll(/(?:^|, )(?:DNS|IP Address):([^,"]+)/g)].map(([, name = '']) =>
    isIPv6(name) ? new URL(`http://[${name}]`).hostname.slice(1, -1) : name,
  );
}
