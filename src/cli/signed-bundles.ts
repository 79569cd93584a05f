import { ImgctlError } from '../errors.ts';
import type { BundleVerifier } from '../trust/bundle-verifier.ts';
import type { CliIo } from './context.ts';

/** What holds archives to the signature of this key: a file, or the key itself. @throws ImgctlError `usage` */
export async function verifierOf(publicKey: string): Promise<BundleVerifier> {
  const { openBundleVerifier } = await import('../trust/bundle-verifier.ts');
  return openBundleVerifier(publicKey);
}

/** @throws ImgctlError `usage` */
export async function signerWith(
  secretKey: string,
  { passwordFile, env, signal }: PasswordSource,
): Promise<{
  readonly id: string;
  readonly sign: (index: Uint8Array) => Uint8Array;
}> {
  const { readSecretKey } = await import('../trust/minisign-key.ts');
  const { signContent } = await import('../trust/minisign.ts');
  const file = passwordFile ?? env.IMGCTL_SIGN_PASSWORD_FILE;
  const key = await readSecretKey(secretKey, async (prompt) => {
    if (file !== undefined && file !== '') return passwordIn(file);
    const { askSecret } = await import('../output/ask-secret.ts');
    return askSecret(prompt, signal);
  });
  // Nothing of today: the same bundle has the same signature
  return {
    id: key.id,
    sign: (index) => Buffer.from(signContent(index, key, 'index.json of an imgctl bundle')),
  };
}

/** Where the password of a secret key comes from, if it has one: a file, else the terminal. Never an argument. */
export interface PasswordSource extends Pick<CliIo, 'env' | 'signal'> {
  readonly passwordFile?: string | undefined;
}

/** Its first line: editors and `echo` end one. */
export async function passwordIn(file: string): Promise<string> {
  const { readSmallFile, whyUnreadable } = await import('../streams/read-small-file.ts');
  try {
    const [line = ''] = (await readSmallFile(file)).split(/\r?\n/, 1);
    return line;
  } catch (cause) {
    throw new ImgctlError('usage', `the password file ${file} cannot be read: ${whyUnreadable(cause)}`, {
      hint: 'Name a file whose first line is the password of the secret key.',
      context: { path: file },
      cause,
    });
  }
}
