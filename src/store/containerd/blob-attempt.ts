import { ImgctlError } from '../../errors.ts';
import { abortable } from '../../streams/abortable.ts';
import { commitRefused, offsetMismatch, sizeMismatch } from './content-errors.ts';
import type { BlobWrite } from './content-writer.ts';
import { messageBytes } from './gathered.ts';
import { statusOf } from './grpc/errors.ts';
import { status } from './grpc/status.ts';
import { refOf } from './ingests.ts';
import { LeasedWrite } from './leased-write.ts';
import { sendChunks } from './send-chunks.ts';

/** One try at writing a blob that nobody holds whole; it may be run again when another writer was in the way. */
export type BlobAttempt = () => Promise<void>;

export function blobAttempt(write: BlobWrite): BlobAttempt {
  const { blob, offset } = write;
  return offset === 0 && blob.size <= messageBytes ? smallAttempt(write) : streamedAttempt(write);
}

/** A blob that fits into one message is sent in one call. It is held, so that the call can be made again. */
function smallAttempt(write: BlobWrite): BlobAttempt {
  const { blob, chunks, options } = write;
  const pieces: Uint8Array[] = [];
  let isRead = false;
  return async () => {
    await using target = leasedWrite(write);
    if (!isRead) {
      isRead = true;
      await readWhole();
    }
    await commit(write, target, 0, pieces);
    options.onProgress?.(blob.size);

    async function readWhole(): Promise<void> {
      let length = 0;
      try {
        for await (const piece of abortable(chunks, options.signal)) {
          pieces.push(piece);
          length += piece.byteLength;
          if (length > blob.size) break;
        }
      } catch (error) {
        // What arrived is for the next try
        if (length > 0) await target.write(0, Buffer.concat(pieces)).catch(() => {});
        throw error;
      }
      if (length !== blob.size) throw sizeMismatch(blob, length);
    }
  };
}

/** A blob of many messages, each of which containerd keeps, whatever becomes of the next. */
function streamedAttempt(write: BlobWrite): BlobAttempt {
  const { blob, offset, chunks, options } = write;
  let isRead = false;
  return async () => {
    // It went again, or another writer came in, after the source was used up
    if (isRead) throw lost(blob.digest);
    await using target = leasedWrite(write);
    const held = await target.open();
    // Another namespace has it all
    if (held === blob.size && held !== offset) return commit(write, target, held);
    if (held !== offset) throw offsetMismatch(blob, offset, held);
    isRead = true;
    await sendChunks(target, blob, offset, chunks, options.signal);
    await commit(write, target, blob.size);
  };
}

function leasedWrite({ connection, lease, blob: { digest, size }, options }: BlobWrite): LeasedWrite {
  return new LeasedWrite(connection, lease, { ref: refOf(digest), total: size, expected: digest }, options);
}

/** @throws ImgctlError `digest_mismatch` */
async function commit(
  { blob, offset: start }: BlobWrite,
  target: LeasedWrite,
  offset: number,
  pieces: readonly Uint8Array[] = [],
): Promise<void> {
  try {
    await target.commit(offset, pieces);
  } catch (error) {
    if (statusOf(error) === status.failedPrecondition) throw commitRefused(blob, start, error);
    throw error;
  }
}

function lost(digest: string): ImgctlError {
  return new ImgctlError('store_failed', `containerd lost ${digest} while it was being written`, {
    hint: 'Import again: what is still there is not sent again.',
    context: { digest },
  });
}
