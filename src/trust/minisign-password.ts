import { randomBytes, scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import { ImgctlError } from '../errors.ts';

/**
 * The password of a secret key of minisign: scrypt makes of it as many bytes as the secret part has, and that part is kept
 * as what the two differ by (minisign, "Secret key format"; libsodium, `crypto_pwhash_scryptsalsa208sha256`).
 */
export interface KeyDerivation extends DerivationLimits {
  readonly salt: Uint8Array;
}

/** What libsodium calls the limits of operations and of memory (bytes). */
export interface DerivationLimits {
  readonly opsLimit: bigint;
  readonly memLimit: bigint;
}

/** Key ID, seed, public key, checksum. */
export const derivationBytes = 8 + 32 + 32 + 32;

/** What minisign asks for, and no more: a file must not make anybody wait or run out of memory. */
const mostOps = 33_554_432n;
const mostMemory = 1_073_741_824n;
const blockSize = 8;

const derive = promisify<string, Uint8Array, number, object, Buffer>(scrypt);

/** The secret part, or nonsense where the password is another. @throws ImgctlError `usage` */
export function openLocked(locked: Uint8Array, password: string, how: KeyDerivation): Promise<Buffer> {
  return differing(locked, password, how);
}

/** The secret part under a password, as minisign does it: a second's work and a gibibyte of memory. */
export async function lock(
  open: Uint8Array,
  password: string,
  limits: DerivationLimits = { opsLimit: mostOps, memLimit: mostMemory },
): Promise<KeyDerivation & { readonly locked: Buffer }> {
  const how = { salt: randomBytes(32), ...limits };
  return { ...how, locked: await differing(open, password, how) };
}

async function differing(
  bytes: Uint8Array,
  password: string,
  { salt, ...limits }: KeyDerivation,
): Promise<Buffer> {
  // scrypt itself needs a little more than the limit says
  const options = { ...costOf(limits), blockSize, maxmem: 2 * Number(mostMemory) };
  const stream = await derive(password, salt, derivationBytes, options);
  return Buffer.from(stream.map((byte, i) => byte ^ (bytes[i] ?? 0)));
}

/** libsodium's choice of scrypt's parameters for these limits. */
function costOf({ opsLimit, memLimit }: DerivationLimits): {
  readonly cost: number;
  readonly parallelization: number;
} {
  if (opsLimit > mostOps || memLimit > mostMemory) {
    throw new ImgctlError(
      'usage',
      'the secret key wants more time or memory for its password than minisign does',
      {
        hint: 'Copy it again from where it is kept, or set the password again: minisign -C -s KEY',
      },
    );
  }
  const ops = Math.max(32_768, Number(opsLimit));
  const memory = Number(memLimit);
  const byTime = ops < memory / 32;
  const most = byTime ? ops / (4 * blockSize) : memory / (128 * blockSize);
  const cost = 2 ** Math.max(1, Math.floor(Math.log2(most)));
  return { cost, parallelization: byTime ? 1 : Math.max(1, Math.floor(ops / 4 / cost / blockSize)) };
}
