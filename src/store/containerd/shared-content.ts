import { hasCode } from '../../errors.ts';
import type { Descriptor } from '../../image/descriptor.ts';
import type { Digest } from '../../image/digest.ts';
import { Limiter } from '../../streams/limiter.ts';
import { orAborted } from '../../streams/or-aborted.ts';
import { introspection, namespaces } from './api/introspection.ts';
import { blobSizes } from './content-info.ts';
import type { Connection } from './grpc/connection.ts';
import { alreadyExists, isNotFound } from './grpc/errors.ts';
import { abortIngest, refOf } from './ingests.ts';
import { WriteSession } from './write-session.ts';

/**
 * Blobs that another namespace of the same containerd has (`moby`, on a node that also runs Docker) are taken over
 * from there without being sent, as containerd's `shared` policy, its default, allows.
 * Answers the digests that are whole here now.
 */
export async function claimShared(
  connection: Connection,
  lease: string,
  absent: readonly Descriptor[],
  signal?: AbortSignal,
): Promise<Digest[]> {
  if (absent.length === 0) return [];
  const elsewhere = await blobsElsewhere(connection, absent, signal);
  const limiter = new Limiter(4);
  const claimed = await Promise.all(
    elsewhere.map((blob) =>
      limiter.run(
        async () => ((await orAborted(takeOver(connection, lease, blob), signal)) ? [blob.digest] : []),
        signal,
      ),
    ),
  );
  return claimed.flat();
}

/** Asked of the other namespaces, not of `Write`: opening a write for each absent blob would leave an ingest for each. */
async function blobsElsewhere(
  connection: Connection,
  absent: readonly Descriptor[],
  signal: AbortSignal | undefined,
): Promise<Descriptor[]> {
  const { namespaces: all } = await connection.unary(namespaces.list, {}, { signal });
  const others = all.filter(({ name }) => name !== connection.namespace);
  if (others.length === 0 || !(await isContentShared(connection, signal))) return [];
  const digests = absent.map(({ digest }) => digest);
  const found = await Promise.all(
    others.map(({ name }) => blobSizes(connection, digests, { namespace: name, signal })),
  );
  return absent.filter(({ digest, size }) => found.some((sizes) => sizes.get(digest) === size));
}

async function isContentShared(connection: Connection, signal: AbortSignal | undefined): Promise<boolean> {
  const { plugins } = await connection.unary(
    introspection.plugins,
    { filters: ['type==io.containerd.metadata.v1'] },
    { signal },
  );
  return plugins.some(({ exports }) => exports.policy === 'shared');
}

/** The write's first answer stands at the blob's end, without a byte sent. */
async function takeOver(
  connection: Connection,
  lease: string,
  { digest, size }: Descriptor,
): Promise<boolean> {
  const ref = refOf(digest);
  try {
    await using session = new WriteSession(connection, { lease, ref, total: size, expected: digest });
    if ((await session.open()) === size) {
      await session.commit(size, [], {});
      return true;
    }
  } catch (error) {
    if (alreadyExists(error)) return true;
    // Somebody else writes it, or it went from there meanwhile: then it is an absent blob like any other
    if (hasCode(error, 'blob_locked')) return false;
    if (!isNotFound(error)) throw error;
  }
  await abortIngest(connection, ref);
  return false;
}
