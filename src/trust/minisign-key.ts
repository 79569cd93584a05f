import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { ImgctlError } from '../errors.ts';
import { readSmallFile, whyUnreadable } from '../streams/read-small-file.ts';

/**
 * Keys of minisign (https://jedisct1.github.io/minisign/, "Key format"): Ed25519, a line that says what it is, and a line
 * of base64. Either program reads what the other wrote; a password on the secret key is minisign's own matter.
 */

export interface PublicKey {
  /** As minisign shows it: 16 hexadecimal digits. It tells keys apart, and proves nothing. */
  readonly id: string;
  readonly key: KeyObject;
  /** The line of base64, which can stand in place of the file. */
  readonly line: string;
}

export interface SecretKey {
  readonly id: string;
  /** It signs; nothing shows it. */
  readonly key: KeyObject;
}

/** DER of a key but for its 32 bytes (RFC 8410). */
const publicPrefix = Buffer.from('302a300506032b6570032100', 'hex');
const secretPrefix = Buffer.from('302e020100300506032b657004220420', 'hex');

const algorithm = 'Ed';
/** Algorithm, key ID, key. */
const publicBytes = 2 + 8 + 32;
/** Algorithms of signature, key derivation and checksum, salt, two limits; then key ID, seed, public key, checksum. */
const secretBytes = 2 + 2 + 2 + 32 + 8 + 8 + (8 + 32 + 32 + 32);
const secretStart = 54;

/** A new key as the text of the two files. */
export function newKeyPair(): {
  readonly id: string;
  readonly publicText: string;
  readonly secretText: string;
} {
  const id = randomBytes(8);
  const pair = generateKeyPairSync('ed25519');
  const point = pair.publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
  const seed = pair.privateKey.export({ type: 'pkcs8', format: 'der' }).subarray(-32);
  const open = Buffer.alloc(secretBytes);
  open.write(algorithm, 0, 'latin1');
  // No key derivation: there is no password, and with it no checksum
  open.write('B2', 4, 'latin1');
  Buffer.concat([id, seed, point]).copy(open, secretStart);
  const name = keyId(id);
  const text = (what: string, bytes: Buffer) => `untrusted comment: ${what}\n${bytes.toString('base64')}\n`;
  return {
    id: name,
    publicText: text(`minisign public key ${name}`, Buffer.concat([Buffer.from(algorithm), id, point])),
    secretText: text('minisign secret key, without a password', open),
  };
}

/** A file, or what minisign takes with `-P`: the line of base64 itself. @throws ImgctlError `usage` */
export async function readPublicKey(fileOrKey: string): Promise<PublicKey> {
  const inline = decoded(fileOrKey, publicBytes);
  const bytes = inline ?? decoded(await read(fileOrKey), publicBytes);
  if (bytes?.toString('latin1', 0, 2) === algorithm) {
    const key = createPublicKey({
      key: Buffer.concat([publicPrefix, bytes.subarray(10)]),
      format: 'der',
      type: 'spki',
    });
    return { id: keyId(bytes.subarray(2, 10)), key, line: bytes.toString('base64') };
  }
  throw new ImgctlError('usage', `${fileOrKey} is no public key of minisign`, {
    hint: 'imgctl bundle keygen makes a key pair: the file that ends in .pub is for those who verify.',
  });
}

/** @throws ImgctlError `usage`; nothing of the key is in it */
export async function readSecretKey(file: string): Promise<SecretKey> {
  const bytes = decoded(await read(file), secretBytes);
  if (bytes === undefined || bytes.toString('latin1', 0, 2) !== algorithm) {
    throw new ImgctlError('usage', `${file} is no secret key of minisign`, {
      hint: 'imgctl bundle keygen makes one, as minisign -G -W does.',
    });
  }
  if (bytes.readUInt16LE(2) !== 0) {
    throw new ImgctlError('usage', `the secret key in ${file} has a password`, {
      hint: 'Sign with a copy that has none, kept where secrets are kept: minisign -C -W -s KEY',
    });
  }
  const seed = bytes.subarray(secretStart + 8, secretStart + 40);
  const key = createPrivateKey({ key: Buffer.concat([secretPrefix, seed]), format: 'der', type: 'pkcs8' });
  const point = createPublicKey(key).export({ type: 'spki', format: 'der' }).subarray(-32);
  if (point.equals(bytes.subarray(secretStart + 40, secretStart + 72)))
    return { id: keyId(bytes.subarray(secretStart, secretStart + 8)), key };
  throw new ImgctlError(
    'usage',
    `the secret key in ${file} is damaged: its two halves do not belong together`,
    {
      hint: 'Copy it again from where it is kept.',
    },
  );
}

/** As minisign shows it: the last byte first. */
export function keyId(bytes: Uint8Array): string {
  return Buffer.from(bytes).reverse().toString('hex').toUpperCase();
}

/** The line of base64 in such a file, where it stands for that many bytes. */
function decoded(text: string, length: number): Buffer | undefined {
  const lines = text.split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('untrusted comment:'));
  const [line = ''] = lines;
  const bytes = Buffer.from(line.trim(), 'base64');
  return bytes.byteLength === length && lines.length === 1 ? bytes : undefined;
}

async function read(path: string): Promise<string> {
  try {
    return await readSmallFile(path);
  } catch (cause) {
    throw new ImgctlError('usage', `the key file ${path} cannot be read: ${whyUnreadable(cause)}`, {
      hint: 'Name a file that imgctl bundle keygen or minisign made.',
      context: { path },
      cause,
    });
  }
}
