import type { ImportHandle } from '../agent-api/import-node.ts';
import type { MissingBlob } from '../agent-api/schemas.ts';
import { hasCode } from '../errors.ts';
import type { BlobSource } from '../image/source.ts';
import { countBytes } from '../streams/count-bytes.ts';
import { Limiter } from '../streams/limiter.ts';
import type { SourceCheck } from './source-check.ts';
import type { WireEncoding } from './wire-encoding.ts';

/** A node's answer to an offset is taken this often for one blob before it counts as trouble. */
const maxOffsetCorrections = 5;

export interface Sending {
  readonly handle: ImportHandle;
  readonly source: BlobSource;
  readonly check: SourceCheck;
  /** Blobs in flight at once. */
  readonly concurrency: number;
  readonly signal: AbortSignal;
  /** How blobs are encoded for a node that takes that; absent: not at all. */
  readonly wire?: WireEncoding | undefined;
  /** Bytes that were handed to the network. */
  onBytes(bytes: number): void;
}

/** Sends these blobs, several at once; the first that fails ends the others. */
export async function sendBlobs(blobs: readonly MissingBlob[], sending: Sending): Promise<void> {
  const failed = new AbortController();
  const signal = AbortSignal.any([sending.signal, failed.signal]);
  const limiter = new Limiter(sending.concurrency);
  const outcomes = await Promise.allSettled(
    blobs.map((blob) =>
      limiter.run(async () => {
        try {
          await sendBlob(blob, { ...sending, signal });
        } catch (error) {
          failed.abort(error);
          throw error;
        }
      }, signal),
    ),
  );
  sending.signal.throwIfAborted();
  if (failed.signal.aborted) throw failed.signal.reason;
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}

async function sendBlob(
  blob: MissingBlob,
  { handle, source, check, signal, wire, onBytes }: Sending,
): Promise<void> {
  const { digest, size } = blob;
  let { offset } = blob;
  for (let corrections = 0; ; corrections += 1) {
    try {
      const from = { digest, size, offset };
      const { body, encoding } = (await wire?.bodyOf(from, true, signal)) ?? {
        body: () => source.read(digest, from.offset, signal),
      };
      await handle.put(from, () => countBytes(body(), onBytes), signal, { encoding });
      return;
    } catch (error) {
      wire?.refused(blob, error);
      const held = hasCode(error, 'offset_mismatch') ? error.context.offset : undefined;
      if (typeof held === 'number' && corrections < maxOffsetCorrections && held !== offset && held <= size) {
        offset = held;
        continue;
      }
      if (hasCode(error, 'digest_mismatch', 'size_mismatch')) await check.mustBeSound(digest, error, signal);
      throw error;
    }
  }
}
