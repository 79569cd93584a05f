import { setTimeout as delay } from 'node:timers/promises';
import { type CriImage, cri } from './api/cri.ts';
import type { CallOptions, Connection } from './grpc/connection.ts';
import { detailsOf, statusOf } from './grpc/errors.ts';
import { status } from './grpc/status.ts';

/** The CRI image service: what the kubelet sees, of the namespace `k8s.io` alone. */

export const criNamespace = 'k8s.io';

/** How long a daemon that has just started may take until its CRI plugin serves, in milliseconds. */
const startsWithinMs = 10_000;

/** Mount points of what the CRI unpacks images to, its default snapshotter's first; undefined where no CRI is served. */
export async function criFilesystems(
  connection: Connection,
  options: CallOptions = {},
): Promise<string[] | undefined> {
  const deadline = performance.now() + startsWithinMs;
  for (;;) {
    try {
      const { imageFilesystems } = await connection.unary(cri.imageFsInfo, {}, options);
      return imageFilesystems.map(({ id }) => id?.mountpoint ?? '');
    } catch (error) {
      if (statusOf(error) === status.unimplemented) return undefined;
      if (!detailsOf(error).includes('not initialized yet')) throw error;
      if (performance.now() > deadline) return undefined;
    }
    await delay(200, undefined, { signal: options.signal });
  }
}

/** Undefined where the kubelet would not find the image. */
export async function criImage(
  connection: Connection,
  name: string,
  options: CallOptions = {},
): Promise<CriImage | undefined> {
  const { image } = await connection.unary(cri.imageStatus, { image: { image: name } }, options);
  return image;
}
