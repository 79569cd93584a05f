import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** OpenSSL's own judgement: whether the certificate counts for the purpose, by every rule of the standard. */
export async function opensslVerify(
  { ca, cert, purpose }: { ca: string; cert: string; purpose: 'sslserver' | 'sslclient' },
  ...more: string[]
): Promise<string> {
  const args = ['verify', '-x509_strict', '-purpose', purpose, '-CAfile', ca, ...more, cert];
  const { stdout } = await run('openssl', args).catch((error: { stdout: string; stderr: string }) => ({
    stdout: `${error.stdout}${error.stderr}`,
  }));
  return stdout.trim();
}

export async function opensslText(cert: string): Promise<string> {
  const { stdout } = await run('openssl', ['x509', '-in', cert, '-noout', '-text']);
  return stdout;
}
