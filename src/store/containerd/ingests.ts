import type { Digest } from '../../image/digest.ts';
import { content } from './api/content.ts';
import type { CallOptions, Connection } from './grpc/connection.ts';
import { isNotFound } from './grpc/errors.ts';

/** Ingests: what containerd holds of blobs that are not whole. Each has a ref, and this program's refs name the digest. */

const prefix = 'imgctl-';

export function refOf(digest: Digest): string {
  return `${prefix}${digest}`;
}

export interface Ingest {
  /** Bytes held. */
  readonly offset: number;
  /** When bytes were last written, in nanoseconds since 1970. */
  readonly updatedAt: bigint;
}

/** Asks without opening the ref: that would hash all that is held, under the lock that every import needs. */
export async function ingestOf(
  connection: Connection,
  digest: Digest,
  options: CallOptions = {},
): Promise<Ingest | undefined> {
  try {
    const { status } = await connection.unary(content.status, { ref: refOf(digest) }, options);
    if (status === undefined) return undefined;
    const { seconds = 0, nanos = 0 } = status.updatedAt ?? {};
    return { offset: status.offset, updatedAt: BigInt(seconds) * 1_000_000_000n + BigInt(nanos) };
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Bytes held of every blob that is not whole. */
export async function listIngests(
  connection: Connection,
  options: CallOptions = {},
): Promise<Map<Digest, number>> {
  const { statuses } = await connection.unary(content.listStatuses, {}, options);
  return new Map(
    statuses
      .filter(({ ref }) => ref.startsWith(prefix))
      .map(({ ref, offset }) => [ref.slice(prefix.length) as Digest, offset]),
  );
}

/** Discards what is held. It may be gone already. */
export async function abortIngest(connection: Connection, ref: string): Promise<void> {
  try {
    await connection.unary(content.abort, { ref });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
