import type { Descriptor } from '../../image/descriptor.ts';
import { orAborted } from '../../streams/or-aborted.ts';
import { sizeMismatch } from './content-errors.ts';
import { gathered } from './gathered.ts';
import type { LeasedWrite } from './leased-write.ts';

/**
 * Sends the bytes of a blob from `offset` on, up to its size.
 * @throws ImgctlError `size_mismatch` when the source has more or fewer bytes; what the source throws; the signal's reason
 */
export async function sendChunks(
  target: LeasedWrite,
  blob: Descriptor,
  offset: number,
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const messages = gathered(chunks, signal);
  let at = offset;
  try {
    for (;;) {
      const next = await orAborted(messages.next(), target.failed);
      if (next.done === true) break;
      const end = at + next.value.byteLength;
      if (end > blob.size) throw sizeMismatch(blob, end);
      await target.write(at, next.value);
      at = end;
    }
  } finally {
    // Not waited for: a source that hangs would hang here too
    messages.return().catch(() => {});
  }
  if (at < blob.size) throw sizeMismatch(blob, at);
}
