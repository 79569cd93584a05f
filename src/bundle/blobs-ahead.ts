import type { Descriptor } from '../image/descriptor.ts';
import type { Digest } from '../image/digest.ts';
import type { BlobSource } from '../image/source.ts';
import { readAhead } from '../streams/read-ahead.ts';

/** Blobs that are asked for before their turn. Of each no more than a mebibyte is held. */
const ahead = 4;

/**
 * Blobs that are read one after the other, in this order: while one is, those after it are asked for, so that nobody waits
 * for a registry to answer. Others are read as they are. What fails ahead of its turn is told in its turn. The signal that a blob is read with ends them all.
 */
export function blobsAhead(
  blobs: readonly Descriptor[],
  source: Pick<BlobSource, 'read'>,
): Pick<BlobSource, 'read'> {
  const places = new Map(blobs.map(({ digest }, i) => [digest, i]));
  const begun = new Map<Digest, AsyncIterable<Uint8Array>>();
  return {
    read(digest, offset, signal) {
      const place = places.get(digest);
      if (place === undefined || offset > 0) return source.read(digest, offset, signal);
      for (const { digest, size } of blobs.slice(place, place + 1 + ahead))
        if (!begun.has(digest)) begun.set(digest, beginning(readAhead(source.read(digest, 0, signal), size)));
      const own = begun.get(digest) ?? source.read(digest, 0, signal);
      // A blob is read once; another time it is read anew
      for (const digest of begun.keys()) if ((places.get(digest) ?? 0) <= place) begun.delete(digest);
      return own;
    },
  };
}

/** The same chunks, of which the first is asked for now. */
function beginning(chunks: AsyncGenerator<Uint8Array>): AsyncIterable<Uint8Array> {
  const first = chunks.next();
  first.catch(() => {});
  return {
    async *[Symbol.asyncIterator]() {
      try {
        for (let next = await first; !next.done; next = await chunks.next()) yield next.value;
      } finally {
        await chunks.return(undefined);
      }
    },
  };
}
