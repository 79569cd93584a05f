import type { Digest } from '../../image/digest.ts';
import { Limiter } from '../../streams/limiter.ts';
import { content } from './api/content.ts';
import type { CallOptions, Connection } from './grpc/connection.ts';
import { isNotFound } from './grpc/errors.ts';

export interface BlobInfo {
  readonly size: number;
  readonly labels: Readonly<Record<string, string>>;
}

/** Undefined where the blob is not here whole. */
export async function blobInfo(
  connection: Connection,
  digest: Digest,
  options: CallOptions = {},
): Promise<BlobInfo | undefined> {
  try {
    const { info } = await connection.unary(content.info, { digest }, options);
    return info;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** From this many on, listing everything that there is costs less than asking for each. */
const listFrom = 64;

/** Sizes in bytes of those of `digests` that are here whole. */
export async function blobSizes(
  connection: Connection,
  digests: readonly Digest[],
  options: CallOptions = {},
): Promise<Map<Digest, number>> {
  const sizes = new Map<Digest, number>();
  if (digests.length < listFrom) {
    const limiter = new Limiter(16);
    await Promise.all(
      digests.map((digest) =>
        limiter.run(async () => {
          const info = await blobInfo(connection, digest, options);
          if (info !== undefined) sizes.set(digest, info.size);
        }, options.signal),
      ),
    );
    return sizes;
  }
  const wanted = new Set<string>(digests);
  for await (const { info } of connection.stream(content.list, {}, options)) {
    for (const { digest, size } of info) if (wanted.has(digest)) sizes.set(digest as Digest, size);
  }
  return sizes;
}
