import { ImgctlError } from '../errors.ts';
import { verifySignature } from './minisign.ts';
import { readPublicKey } from './minisign-key.ts';

/** Holds bundles, and what has a signature beside it, to one key. */
export interface BundleVerifier {
  /** Of the key. */
  readonly id: string;
  /** Of a bundle's index.json. `label` is what to call the bundle. @throws ImgctlError `signature_invalid` */
  verify(index: Uint8Array | undefined, signature: Uint8Array | undefined, label: string): void;
  /** Of anything else. @throws ImgctlError `signature_invalid` */
  verifyContent(content: Uint8Array, signature: Uint8Array | undefined, label: string): void;
}

/** @param publicKey a file, or the key itself @throws ImgctlError `usage` */
export async function openBundleVerifier(publicKey: string): Promise<BundleVerifier> {
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
    verifyContent: (content, signature, label) => verifySignature(content, signature, key, label),
  };
}
