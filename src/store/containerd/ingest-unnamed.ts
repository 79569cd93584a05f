import { randomUUID } from 'node:crypto';
import { type Digest, parseDigest } from '../../image/digest.ts';
import type { WriteOptions } from '../store.ts';
import type { Connection } from './grpc/connection.ts';
import { alreadyExists } from './grpc/errors.ts';
import { abortIngest } from './ingests.ts';
import type { LeaseHolder } from './lease-holder.ts';
import { addResource, blobResource } from './lease-resources.ts';
import { LeasedWrite } from './leased-write.ts';
import { sendChunks } from './send-chunks.ts';

/** Writes bytes whose digest is not known yet; containerd hashes them anyway, and says what they came to. */
export async function ingestUnnamed(
  connection: Connection,
  lease: LeaseHolder,
  size: number,
  chunks: AsyncIterable<Uint8Array>,
  options: WriteOptions,
): Promise<Digest> {
  const ref = `imgctl-ingest-${randomUUID()}`;
  let digest: Digest | undefined;
  try {
    await using target = new LeasedWrite(connection, lease, { ref, total: size }, options);
    await target.open();
    await sendChunks(target, { mediaType: '', digest: '' as Digest, size }, 0, chunks, options.signal);
    digest = parseDigest(await target.digest());
    await target.commit(size, [], digest);
    return digest;
  } catch (error) {
    if (digest !== undefined && alreadyExists(error)) {
      using use = lease.use();
      await addResource(connection, use.id, blobResource(digest), options);
      return digest;
    }
    // Nobody can go on with it: its ref is nobody's
    await abortIngest(connection, ref).catch(() => {});
    throw error;
  }
}
