import { errorFromWire, errorToWire } from '../../agent-api/errors.ts';
import type { BlobToSend } from '../../agent-api/import-node.ts';
import type { FetchResult } from '../../agent-api/schemas.ts';
import { hasCode, ImgctlError } from '../../errors.ts';
import { readAhead } from '../../streams/read-ahead.ts';
import { type Relaying, type RelayParts, relayBlob } from './relay-blob.ts';
import { codingOf } from './wire-body.ts';

/** A blob's bytes from where this node gets them, once, in order. */
export interface Feed {
  /** Once, until `signal`. @throws ImgctlError `interrupted`: nobody feeds it any more; see `failure` */
  bytes(signal: AbortSignal): AsyncGenerator<Uint8Array>;
  /** Why it is not whole, where it is not. */
  readonly failure: ImgctlError | undefined;
  /** The bytes did not have the digest: whose fault that was, where it is known. */
  blame(cause: ImgctlError): ImgctlError;
  outcomes(): FetchResult['from'];
}

/** What a feed gives, read ahead for as long as it is wanted. */
export class WantedBytes implements Disposable {
  readonly #ended = new AbortController();
  readonly #feed: Feed;
  readonly #length: number;

  constructor(feed: Feed, { offset, size }: BlobToSend) {
    this.#feed = feed;
    this.#length = size - offset;
  }

  /** Once. */
  read(): AsyncGenerator<Uint8Array> {
    return readAhead(this.#feed.bytes(this.#ended.signal), this.#length);
  }

  stop(): void {
    this.#ended.abort(new ImgctlError('interrupted', 'no more of the blob is wanted'));
  }

  [Symbol.dispose](): void {
    this.stop();
  }
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
  using wanted = new WantedBytes(feed, fetching.blob);
  const { error, ...result } = await relayBlob(
    {
      ...fetching,
      coding: codingOf(undefined),
      body: () => wanted.read(),
      heart: {
        sign: () => heart.sign(),
        hasBlob: () => wanted.stop(),
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
