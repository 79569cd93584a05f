import type { ArchiveOptions } from '../archive/archive.ts';
import { ImgctlError } from '../errors.ts';

type VerifyIndex = NonNullable<ArchiveOptions['verifyIndex']>;

/** What holds archives to the signature of this key: a file, or the key itself. @throws ImgctlError `usage` */
export async function verifierOf(
  publicKey: string,
): Promise<{ readonly id: string; readonly verify: VerifyIndex }> {
  const { readPublicKey } = await import('../trust/minisign-key.ts');
  const { verifySignature } = await import('../trust/minisign.ts');
  const key = await readPublicKey(publicKey);
  return {
    id: key.id,
    verify: (index, signature, label) => {
      if (index !== undefined) {
        verifySignature(index, signature, key, label);
        return;
      }
      throw new ImgctlError('signature_invalid', `${label} is not signed: it has no index.json`, {
        hint: 'Only bundles that imgctl bundle create --sign made are: what docker save writes has nothing to sign.',
      });
    },
  };
}

/** @throws ImgctlError `usage` */
export async function signerWith(secretKey: string): Promise<{
  readonly id: string;
  readonly sign: (index: Uint8Array) => Uint8Array;
}> {
  const { readSecretKey } = await import('../trust/minisign-key.ts');
  const { signContent } = await import('../trust/minisign.ts');
  const key = await readSecretKey(secretKey);
  // Nothing of today: the same bundle has the same signature
  return {
    id: key.id,
    sign: (index) => Buffer.from(signContent(index, key, 'index.json of an imgctl bundle')),
  };
}
