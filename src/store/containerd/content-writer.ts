import { hasCode, ImgctlError } from '../../errors.ts';
import type { Descriptor } from '../../image/descriptor.ts';
import type { WriteOptions } from '../store.ts';
import { blobAttempt } from './blob-attempt.ts';
import { offsetMismatch, sizeMismatch } from './content-errors.ts';
import { blobInfo } from './content-info.ts';
import type { Connection } from './grpc/connection.ts';
import { alreadyExists } from './grpc/errors.ts';
import { abortIngest, ingestOf, refOf } from './ingests.ts';
import type { LeaseHolder } from './lease-holder.ts';
import { addResource, blobResource } from './lease-resources.ts';
import { LockWait } from './lock-wait.ts';
import { takeTurn } from './turns.ts';

export interface BlobWrite {
  readonly connection: Connection;
  readonly lease: LeaseHolder;
  readonly blob: Descriptor;
  /** Where the bytes begin. */
  readonly offset: number;
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly options: WriteOptions;
  /** Whether a look just now found nothing of it: then it is not looked for again. */
  readonly knownAbsent: boolean;
}

/** `Lease.write` of the port: one writer of a blob at a time in this process, and waiting for those of others. */
export async function writeBlob(write: BlobWrite): Promise<void> {
  const { connection, blob, options } = write;
  const { address, namespace } = connection;
  using _turn = await takeTurn(`write ${address} ${namespace} ${blob.digest}`, options.signal);
  const attempt = blobAttempt(write);
  const wait = new LockWait(connection, blob.digest, options.signal);
  for (let look = !write.knownAbsent; ; look = true) {
    try {
      if (look && (await isWhole(write))) return;
      return await attempt();
    } catch (error) {
      // Somebody else's writing made it whole meanwhile: the next look takes it under this lease
      if (alreadyExists(error)) continue;
      if (hasCode(error, 'blob_locked')) await wait.next(error);
      else throw await discarded(write, error);
    }
  }
}

/**
 * Whether nothing need be written.
 * @throws ImgctlError `offset_mismatch` where the write would not begin where it should, `size_mismatch`
 */
async function isWhole({ connection, lease, blob, offset, options }: BlobWrite): Promise<boolean> {
  const { signal } = options;
  const { digest, size } = blob;
  const [info, ingest] = await Promise.all([
    blobInfo(connection, digest, { signal }),
    ingestOf(connection, digest, { signal }),
  ]);
  if (info !== undefined) {
    if (info.size !== size) throw sizeMismatch(blob, info.size);
    using use = lease.use();
    // A blob that came by another writer is not under this lease, unless it was claimed
    await addResource(connection, use.id, blobResource(digest), { signal });
    if ((await blobInfo(connection, digest, { signal })) !== undefined) return true;
  }
  let held = ingest?.offset ?? 0;
  if (held > size) {
    await abortIngest(connection, refOf(digest));
    held = 0;
  }
  if (held !== offset) throw offsetMismatch(blob, offset, held);
  return false;
}

/** Wrong bytes are not kept: containerd would refuse every later try at this ref. */
async function discarded({ connection, blob: { digest } }: BlobWrite, error: unknown): Promise<unknown> {
  if (hasCode(error, 'digest_mismatch', 'size_mismatch'))
    await abortIngest(connection, refOf(digest)).catch(() => {});
  return error instanceof ImgctlError ? error.within({ digest }) : error;
}
