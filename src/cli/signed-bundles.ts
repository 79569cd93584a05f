import type { BundleVerifier } from '../trust/bundle-verifier.ts';

/** What holds archives to the signature of this key: a file, or the key itself. @throws ImgctlError `usage` */
export async function verifierOf(publicKey: string): Promise<BundleVerifier> {
  const { openBundleVerifier } = await import('../trust/bundle-verifier.ts');
  return openBundleVerifier(publicKey);
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
