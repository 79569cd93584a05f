// First: the library below looks for it as it is loaded
import 'reflect-metadata';
import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { promisify } from 'node:util';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  type Name,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  type X509CertificateCreateParamsName,
  X509CertificateGenerator,
} from '@peculiar/x509';

/**
 * Certificates, made and signed (RFC 5280). The library takes its time to load: this file is for import(), by what
 * makes certificates, never by what reads them.
 */

/** PEM, both: a certificate and its private key (PKCS#8). */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** A new authority: ECDSA over P-256, which TLS 1.2 and 1.3 both know, and which signs no other authorities. */
export async function makeAuthority(subject: string, validity: Validity): Promise<KeyPair> {
  const { privateKey, publicKey } = await newKey();
  const cert = await sign(
    { name: [{ CN: [subject] }], publicKey, validity },
    [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(spki(publicKey)),
    ],
    { key: privateKey },
  );
  return { cert, key: pem(privateKey) };
}

/** The same authority for longer: name, key and identifiers stay, so that all it has signed is trusted as before. */
export async function extendAuthority(authority: KeyPair, validity: Validity): Promise<KeyPair> {
  const key = createPrivateKey(authority.key);
  const before = new X509Certificate(authority.cert);
  const cert = await sign(
    { name: before.subjectName, publicKey: createPublicKey(key), validity },
    before.extensions,
    { key },
  );
  return { cert, key: authority.key };
}

export interface LeafRequest {
  readonly subject: string;
  /** DNS names and IP addresses; none for a client. */
  readonly names: readonly string[];
  /** Agents are both: they serve the command, and are clients of each other. */
  readonly usages: readonly ('server' | 'client')[];
  readonly validity: Validity;
}

/** A certificate with a new key, signed by the authority. */
export async function issueCertificate(authority: KeyPair, request: LeafRequest): Promise<KeyPair> {
  const { privateKey, publicKey } = await newKey();
  const issuer = new X509Certificate(authority.cert);
  const purposes = request.usages.map((usage) =>
    usage === 'server' ? ExtendedKeyUsage.serverAuth : ExtendedKeyUsage.clientAuth,
  );
  const cert = await sign(
    { name: [{ CN: [request.subject] }], publicKey, validity: request.validity },
    [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension(purposes),
      await SubjectKeyIdentifierExtension.create(spki(publicKey)),
      await authorityKeyIdentifier(issuer),
      ...(request.names.length === 0 ? [] : [alternativeNames(request.names)]),
    ],
    { key: createPrivateKey(authority.key), name: issuer.subjectName },
  );
  return { cert, key: pem(privateKey) };
}

/** As the authority calls its own key, where it does: not everybody hashes it in the same way. */
async function authorityKeyIdentifier(issuer: X509Certificate): Promise<Extension> {
  const own = issuer.getExtension(SubjectKeyIdentifierExtension)?.keyId;
  return own === undefined
    ? AuthorityKeyIdentifierExtension.create(issuer.publicKey)
    : new AuthorityKeyIdentifierExtension(own);
}

function alternativeNames(names: readonly string[]): Extension {
  return new SubjectAlternativeNameExtension(
    names.map((value) =>
      isIP(value) === 0 ? { type: 'dns', value } : { type: 'ip', value: hexadecimalGroups(value) },
    ),
  );
}

/** The library makes another address of an IPv6 one that ends as IPv4 does: `::ffff:10.0.4.17`. */
function hexadecimalGroups(address: string): string {
  return isIP(address) === 6 ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
}

interface Subject {
  readonly name: X509CertificateCreateParamsName;
  readonly publicKey: KeyObject;
  readonly validity: Validity;
}

/** Signs with the key: as the name that is given, else as itself. */
async function sign(
  { name, publicKey, validity }: Subject,
  extensions: Extension[],
  by: { readonly key: KeyObject; readonly name?: Name },
): Promise<string> {
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: name,
    issuer: by.name ?? name,
    ...validity,
    publicKey: spki(publicKey),
    signingKey: by.key.toCryptoKey(algorithmOf(by.key), false, ['sign']),
    extensions,
  });
  return `${certificate.toString('pem')}\n`;
}

const curves: Readonly<Record<string, string>> = {
  prime256v1: 'P-256',
  secp384r1: 'P-384',
  secp521r1: 'P-521',
};

/** Of our own authorities' keys, and of those that people bring along. @throws TypeError for any other */
function algorithmOf(key: KeyObject): { name: string; namedCurve: string } | { name: string; hash: string } {
  const namedCurve = curves[key.asymmetricKeyDetails?.namedCurve ?? ''];
  if (namedCurve !== undefined) return { name: 'ECDSA', namedCurve };
  if (key.asymmetricKeyType === 'rsa') return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
  throw new TypeError(`nothing can be signed with a key of type ${key.asymmetricKeyType}`);
}

function newKey(): Promise<{ privateKey: KeyObject; publicKey: KeyObject }> {
  return promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
}

/** Random, positive, and of at most 20 octets (RFC 5280, section 4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString('hex');
}

function spki(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

function pem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}
