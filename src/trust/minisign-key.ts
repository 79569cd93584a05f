import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { blake2b } from '@noble/hashes/blake2.js';
import { ImgctlError } from '../errors.ts';
import { readSmallFile, whyUnreadable } from '../streams/read-small-file.ts';
import {
  type DerivationLimits,
  derivationBytes,
  type KeyDerivation,
  lock,
  openLocked,
} from './minisign-password.ts';

/**
 * Keys of minisign (https://jedisct1.github.io/minisign/, "Key format"): Ed25519, a line that says what it is, and a line
 * of base64. Either program reads what the other wrote, a secret key with a password too.
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
const secretStart = secretBytes - derivationBytes;
/** scrypt: the key is under a password. Without one it has no checksum either. */
const derivation = 'Sc';
/** BLAKE2b of 32 bytes. */
const checksum = 'B2';

/**
 * A new key as the text of the two files.
 * @param password is put on the secret one, where there is one. `limits`: what trying a password takes
 */
export async function newKeyPair(
  password?: string,
  limits?: DerivationLimits,
): Promise<{
  readonly id: string;
  readonly publicText: string;
  readonly secretText: string;
}> {
  const id = randomBytes(8);
  const pair = generateKeyPairSync('ed25519');
  const point = pair.publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
  const seed = pair.privateKey.export({ type: 'pkcs8', format: 'der' }).subarray(-32);
  const secret = Buffer.alloc(secretBytes);
  secret.write(algorithm, 0, 'latin1');
  secret.write(checksum, 4, 'latin1');
  const parts = [id, seed, point];
  if (password === undefined) Buffer.concat(parts).copy(secret, secretStart);
  else {
    const sum = blake2b(Buffer.concat([Buffer.from(algorithm), ...parts]), { dkLen: 32 });
    const { locked, salt, opsLimit, memLimit } = await lock(Buffer.concat([...parts, sum]), password, limits);
    secret.write(derivation, 2, 'latin1');
    secret.set(salt, 6);
    secret.writeBigUInt64LE(opsLimit, 38);
    secret.writeBigUInt64LE(memLimit, 46);
    secret.set(locked, secretStart);
  }
  const name = keyId(id);
  const text = (what: string, bytes: Buffer) => `untrusted comment: ${what}\n${bytes.toString('base64')}\n`;
  return {
    id: name,
    publicText: text(`minisign public key ${name}`, Buffer.concat([Buffer.from(algorithm), id, point])),
    secretText: text(`minisign secret key, with${password === undefined ? 'out' : ''} a password`, secret),
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

/**
 * @param password is asked for where the key has one; undefined: there is none to be had
 * @throws ImgctlError `usage`; nothing of the key or the password is in it
 */
export async function readSecretKey(
  file: string,
  password: (what: string) => Promise<string | undefined> = async () => undefined,
): Promise<SecretKey> {
  const bytes = decoded(await read(file), secretBytes);
  if (bytes === undefined || bytes.toString('latin1', 0, 2) !== algorithm) {
    throw new ImgctlError('usage', `${file} is no secret key of minisign`, {
      hint: 'imgctl bundle keygen makes one, as minisign -G does.',
    });
  }
  const locked = bytes.toString('latin1', 2, 4) === derivation;
  const open = locked ? await unlocked(bytes, file, password) : bytes.subarray(secretStart);
  const [id, seed, stated] = [open.subarray(0, 8), open.subarray(8, 40), open.subarray(40, 72)];
  const key = createPrivateKey({ key: Buffer.concat([secretPrefix, seed]), format: 'der', type: 'pkcs8' });
  const point = createPublicKey(key).export({ type: 'spki', format: 'der' }).subarray(-32);
  if (point.equals(stated)) return { id: keyId(id), key };
  const why = locked ? 'the password is wrong' : 'it is damaged: its two halves do not belong together';
  throw new ImgctlError('usage', `the secret key in ${file} cannot be used: ${why}`, {
    hint: locked
      ? 'Try again; else copy the key again from where it is kept.'
      : 'Copy it again from where it is kept.',
  });
}

async function unlocked(
  bytes: Buffer,
  file: string,
  password: (what: string) => Promise<string | undefined>,
): Promise<Buffer> {
  const parameters: KeyDerivation = {
    salt: bytes.subarray(6, 38),
    opsLimit: bytes.readBigUInt64LE(38),
    memLimit: bytes.readBigUInt64LE(46),
  };
  const text = await password(`Password of ${file}: `);
  if (text !== undefined) return openLocked(bytes.subarray(secretStart), text, parameters);
  throw new ImgctlError(
    'usage',
    `the secret key in ${file} has a password, and there is no terminal to ask for it`,
    {
      hint: 'Name a file that has it: --sign-password-file FILE, or IMGCTL_SIGN_PASSWORD_FILE.',
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
