import { connect } from 'node:net';
import { ImgctlError } from '../../errors.ts';
import { unreachable } from './grpc/errors.ts';

/** Where containerd listens: on its own, as k3s's and RKE2's, as MicroK8s's, as k0s's. */
const usualSockets = [
  '/run/containerd/containerd.sock',
  '/run/k3s/containerd/containerd.sock',
  '/var/snap/microk8s/common/run/containerd.sock',
  '/run/k0s/containerd.sock',
];

/**
 * The socket of this node's containerd: `$CONTAINERD_ADDRESS` where it is set, else the first usual one that answers.
 * @throws ImgctlError `store_not_found`, or `store_unreachable` where a socket may not be opened by this user
 */
export async function findContainerdSocket(
  env: Readonly<Record<string, string | undefined>>,
  candidates: readonly string[] = usualSockets,
): Promise<string> {
  const named = env.CONTAINERD_ADDRESS;
  const looked: string[] = [];
  for (const path of named ? [socketPath(named)] : candidates) {
    const problem = await problemOf(path);
    if (problem === undefined) return path;
    if (problem === 'EACCES' || problem === 'EPERM') throw unreachable(problem, path);
    looked.push(`${path} (${meaning[problem] ?? problem})`);
  }
  const where = named ? `where $CONTAINERD_ADDRESS says: ${looked[0]}` : `on this node: ${looked.join(', ')}`;
  throw new ImgctlError('store_not_found', `no containerd was found ${where}`, {
    hint: 'Start containerd, name its socket with CONTAINERD_ADDRESS, or keep images in a directory with --store oci:DIR.',
    context: { looked },
  });
}

/** A socket's path as given to containerd's own tools, which also take `unix:///path`. */
export function socketPath(address: string): string {
  return address.replace(/^unix:(?:\/\/)?(?=\/)/, '');
}

const meaning: Readonly<Record<string, string>> = {
  ENOENT: 'not there',
  ENOTDIR: 'not there',
  ECONNREFUSED: 'nobody listens',
  ENOTSOCK: 'not a socket',
};

/** The error code of opening it; a socket that a dead daemon left behind exists, and refuses. */
function problemOf(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}
