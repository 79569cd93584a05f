import { createHash, sign, verify } from 'node:crypto';
import { ImgctlError } from '../errors.ts';
import { keyId, type PublicKey, type SecretKey } from './minisign-key.ts';

/**
 * Signatures of minisign (https://jedisct1.github.io/minisign/, "Signature format"): four lines, of which the second holds
 * the signature of the content, and the fourth that of the first signature with the trusted comment.
 */

/** Of the content's BLAKE2b-512, as minisign signs; the older form signs the content itself. */
const hashed = 'ED';
const plain = 'Ed';
/** Algorithm, key ID, signature. */
const signatureBytes = 2 + 8 + 64;
const trustedPrefix = 'trusted comment: ';
/** As minisign has it. */
const maxComment = 8192;

/** The same content, key and comment give the same text. `comment`: one line, shown by whoever verifies. */
export function signContent(content: Uint8Array, { id, key }: SecretKey, comment: string): string {
  const signature = sign(null, blake2b(content), key);
  const head = Buffer.concat([Buffer.from(hashed), Buffer.from(id, 'hex').reverse(), signature]);
  const global = sign(null, Buffer.concat([signature, Buffer.from(comment)]), key);
  return [
    'untrusted comment: signature from imgctl',
    head.toString('base64'),
    `${trustedPrefix}${comment}`,
    global.toString('base64'),
    '',
  ].join('\n');
}

/** Which key a signature says that it is by; undefined for what is none. Nothing is verified. */
export function signerOf(signature: Uint8Array): string | undefined {
  return parse(signature)?.id;
}

/**
 * @param what names the content in messages
 * @throws ImgctlError `signature_invalid` where there is none, or it is not this key's, or of other content
 */
export function verifySignature(
  content: Uint8Array,
  signature: Uint8Array | undefined,
  { id, key }: PublicKey,
  what: string,
): void {
  if (signature === undefined) throw invalid(`${what} is not signed`, hints.unsigned);
  const parsed = parse(signature);
  if (parsed === undefined) throw invalid(`the signature of ${what} is damaged`, hints.damaged);
  if (parsed.id !== id)
    throw invalid(`${what} is signed with the key ${parsed.id}, not with ${id}`, hints.otherKey);
  const signed = parsed.algorithm === hashed ? blake2b(content) : content;
  const isWhole = verify(
    null,
    Buffer.concat([parsed.signature, Buffer.from(parsed.comment)]),
    key,
    parsed.global,
  );
  if (verify(null, signed, key, parsed.signature) && isWhole) return;
  throw invalid(`the signature of ${what} does not fit: it was changed since it was signed`, hints.damaged);
}

const hints = {
  unsigned:
    'Make the bundle with --sign KEY, or import it without --verify-key if you trust the way it came.',
  damaged: 'Do not use it. Get the bundle again from who made it.',
  otherKey: 'Use the public key of who made the bundle, and ask them whether they have a new one.',
};

interface Parsed {
  readonly algorithm: string;
  readonly id: string;
  readonly signature: Buffer;
  readonly comment: string;
  readonly global: Buffer;
}

function parse(bytes: Uint8Array): Parsed | undefined {
  if (bytes.byteLength > 4 * maxComment) return undefined;
  const [, head = '', trusted = '', last = ''] = Buffer.from(bytes).toString('utf8').split(/\r?\n/);
  const decoded = Buffer.from(head, 'base64');
  const global = Buffer.from(last, 'base64');
  const algorithm = decoded.toString('latin1', 0, 2);
  const isShaped = decoded.byteLength === signatureBytes && global.byteLength === 64;
  if (!isShaped || !trusted.startsWith(trustedPrefix) || (algorithm !== hashed && algorithm !== plain))
    return undefined;
  return {
    algorithm,
    id: keyId(decoded.subarray(2, 10)),
    signature: decoded.subarray(10),
    comment: trusted.slice(trustedPrefix.length),
    global,
  };
}

function blake2b(content: Uint8Array): Buffer {
  return createHash('blake2b512').update(content).digest();
}

function invalid(message: string, hint: string): ImgctlError {
  return new ImgctlError('signature_invalid', message, { hint });
}
