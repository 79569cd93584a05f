import { errorFromWire, errorToWire } from '../../agent-api/errors.ts';
import type { FetchResult } from '../../agent-api/schemas.ts';
import { hasCode, type ImgctlError } from '../../errors.ts';
import { type Relaying, type RelayParts, relayBlob } from './relay-blob.ts';
import { codingOf } from './wire-body.ts';

/** A blob's bytes from where this node gets them, once, in order. */
export interface Feed extends Disposable {
  /** @throws ImgctlError `interrupted`: nobody feeds it any more; see `failure` */
  bytes(): AsyncIterable<Uint8Array>;
  /** Why it is not whole, where it is not. */
  readonly failure: ImgctlError | undefined;
  /** No more of it is wanted. */
  stop(): void;
  /** The bytes did not have the digest: whose fault that was, where it is known. */
  blame(cause: ImgctlError): ImgctlError;
  outcomes(): FetchResult['from'];
}

/**
 * A blob from a peer that has it, or a registry, into this node's store and on along the route while it comes. That nobody
 * gives it, or gives something else, is the result's error, with the `phase` fetch in its context.
 * @throws ImgctlError as `relayBlob`
 */
export async function fetchAlong(
  fetching: Omit<Relaying, 'body' | 'coding'>,
  feed: Feed,
  parts: RelayParts,
): Promise<FetchResult> {
  const { heart } = fetching;
  const { error, ...result } = await relayBlob(
    {
      ...fetching,
      coding: codingOf(undefined),
      body: () => feed.bytes(),
      heart: {
        sign: () => heart.sign(),
        hasBlob: () => feed.stop(),
        during: (work) => heart.during(work),
      },
    },
    parts,
  );
  const own = error === undefined ? undefined : feedError(errorFromWire(error), feed);
  return { ...result, ...(own && { error: errorToWire(own) }), from: feed.outcomes() };
}

/** What went wrong with the blob at this node, or before it. */
export function feedError(error: ImgctlError, feed: Feed): ImgctlError {
  if (hasCode(error, 'digest_mismatch', 'size_mismatch')) return feed.blame(error);
  return hasCode(error, 'interrupted') ? (feed.failure ?? error) : error;
}
