import { ImgctlError } from '../../errors.ts';
import { cri } from './api/cri.ts';
import type { CallOptions, Connection } from './grpc/connection.ts';
import { detailsOf } from './grpc/errors.ts';

/** Large images come over slow links. */
const pullsWithinMs = 60 * 60_000;

/**
 * Pulls as the kubelet does, by the CRI, so that containerd's own mirrors apply.
 * @throws ImgctlError `pull_failed`
 */
export async function pullImage(
  connection: Connection,
  name: string,
  options: CallOptions = {},
): Promise<void> {
  try {
    await connection.unary(
      cri.pullImage,
      { image: { image: name } },
      { ...options, timeoutMs: pullsWithinMs },
    );
  } catch (cause) {
    options.signal?.throwIfAborted();
    throw new ImgctlError('pull_failed', `${name} was not pulled: ${detailsOf(cause) || String(cause)}`, {
      hint: "See whether the node reaches the registry, or a mirror of it that containerd's registry configuration names.",
      context: { image: name },
      cause,
    });
  }
}
