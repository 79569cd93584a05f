import { createHash } from 'node:crypto';
import { ImgctlError } from '../errors.ts';

/**
 * A content digest, `algorithm:hex`, as the OCI image specification (descriptor, "Digests") defines it.
 * sha256 and sha512 are accepted, the two registered algorithms.
 */
export type Digest = string & { readonly __brand: 'Digest' };

const pattern = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

export function isDigest(text: unknown): text is Digest {
  return typeof text === 'string' && pattern.test(text);
}

/** @throws ImgctlError `digest_invalid` */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new ImgctlError('digest_invalid', `not a digest: ${JSON.stringify(text.slice(0, 160))}`, {
    hint: 'A digest is written sha256: followed by 64 lower-case hexadecimal digits.',
  });
}

export function digestAlgorithm(digest: Digest): 'sha256' | 'sha512' {
  return digest.startsWith('sha256:') ? 'sha256' : 'sha512';
}

/** The part after the colon. */
export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** `sha256:0123456789ab`: long enough to tell blobs apart, short enough for a table. */
export function shortDigest(digest: Digest): string {
  return digest.slice(0, digest.indexOf(':') + 13);
}

/** The digest of bytes held in memory: small documents only. */
export function digestOf(bytes: Uint8Array | string, algorithm: 'sha256' | 'sha512' = 'sha256'): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` as Digest;
}
