import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { ImgctlError } from '../errors.ts';
import { readSmallFile, whyUnreadable } from '../streams/read-small-file.ts';

/** What is shown to MicroK8s's cluster agents, and what they are known by. */
export interface Microk8sCredentials {
  /** The cluster's callback token: the same on every node, and good for other calls than importing. */
  readonly token?: string | undefined;
  /** Certificates of agents themselves, and of authorities that sign them. */
  readonly certificates: readonly X509Certificate[];
  /** Why there is no token, where a file has one that this user may not read. */
  readonly forbidden?: string | undefined;
}

export interface Microk8sFiles {
  readonly tokenFile?: string | undefined;
  readonly caFile?: string | undefined;
}

type Env = Readonly<Record<string, string | undefined>>;

const snapData = '/var/snap/microk8s/current';

/**
 * The authority of this node and, on a worker, that of the cluster that it joined; and the certificate that this node
 * shows itself.
 */
const certificateFiles = ['ca.crt', 'ca.remote.crt', 'server.crt'];

export const whereCredentialsAre =
  'Run the command on a MicroK8s node as root, or give copies of its files: --microk8s-token-file (credentials/callback-token.txt) and --microk8s-ca (certs/ca.crt), both under /var/snap/microk8s/current there. MicroK8s makes the token when a node joins, or when microk8s images import runs for the first time.';

/**
 * The files that were named, and what lies on this machine where it is a MicroK8s node. A certificate that was named
 * adds to those: workers show certificates that the cluster's authority did not sign.
 * @throws ImgctlError `token_missing`, `certificate_invalid`: a file that was named and cannot be used
 */
export async function findCredentials(
  { tokenFile, caFile }: Microk8sFiles,
  env: Env,
): Promise<Microk8sCredentials> {
  const data = env.SNAP_DATA?.includes('microk8s') ? env.SNAP_DATA : snapData;
  const [token, named, ...found] = await Promise.all([
    tokenFile === undefined
      ? findToken(join(data, 'credentials', 'callback-token.txt'))
      : readToken(tokenFile),
    caFile === undefined ? [] : readCertificates(caFile),
    ...certificateFiles.map((name) => readCertificates(join(data, 'certs', name)).catch(() => [])),
  ]);
  return { ...token, certificates: [...named, ...found.flat()] };
}

async function findToken(path: string): Promise<Pick<Microk8sCredentials, 'token' | 'forbidden'>> {
  try {
    return await readToken(path);
  } catch (error) {
    const { cause } = error as ImgctlError;
    const denied = cause instanceof Error && 'code' in cause && cause.code === 'EACCES';
    return denied ? { forbidden: path } : {};
  }
}

async function readToken(path: string): Promise<{ token: string }> {
  const hint =
    'It is the file credentials/callback-token.txt under /var/snap/microk8s/current on every node.';
  let text: string;
  try {
    text = await readSmallFile(path);
  } catch (cause) {
    throw new ImgctlError(
      'token_missing',
      `MicroK8s's callback token cannot be read from ${path}: ${whyUnreadable(cause)}`,
      {
        hint,
        context: { path },
        cause,
      },
    );
  }
  // A line may end with the time until which it counts
  const token = text.split('\n', 1)[0]?.split('|', 1)[0]?.trim() ?? '';
  if (/^[\x21-\x7e]{1,4096}$/.test(token)) return { token };
  throw new ImgctlError('token_missing', `what is in ${path} is not a token`, { hint, context: { path } });
}

/** Every certificate of a PEM file, whatever stands between them. */
async function readCertificates(path: string): Promise<X509Certificate[]> {
  try {
    const text = await readSmallFile(path);
    const blocks = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
    if (blocks.length === 0) throw new Error('there is no certificate in it');
    return blocks.map((block) => new X509Certificate(block));
  } catch (cause) {
    throw new ImgctlError('certificate_invalid', `certificates cannot be read from ${path}`, {
      hint: 'Give a PEM file: certs/ca.crt under /var/snap/microk8s/current, or certs/server.crt of single nodes, one after the other.',
      context: { path },
      cause,
    });
  }
}
