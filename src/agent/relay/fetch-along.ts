import { errorFromWire, errorToWire } from '../../agent-api/errors.ts';
import type { FetchResult } from '../../agent-api/schemas.ts';
import { hasCode, type ImgctlError } from '../../errors.ts';
import { FedBody } from './fed-body.ts';
import { type Relaying, type RelayParts, relayBlob } from './relay-blob.ts';
import { codingOf } from './wire-body.ts';

export interface FetchingAlong extends Omit<Relaying, 'body' | 'coding'> {
  /** URLs of peers that have the blob whole, those first that should be asked first. */
  readonly from: readonly string[];
  onBytes(bytes: number): void;
}

/**
 * A blob from a peer that has it, into this node's store and on along the route while it comes. That no peer gives it,
 * or gives something else, is the result's error, with the `phase` fetch in its context.
 * @throws ImgctlError as `relayBlob`
 */
export async function fetchAlong(fetching: FetchingAlong, parts: RelayParts): Promise<FetchResult> {
  const { blob, from, heart, maxRate, onBytes } = fetching;
  using fed = new FedBody({
    blob,
    from,
    clients: parts.peers,
    stallMs: parts.limits.peerStallMs,
    maxRate,
    onBytes,
  });
  const { error, ...result } = await relayBlob(
    {
      ...fetching,
      coding: codingOf(undefined),
      body: () => fed.bytes(),
      heart: {
        sign: () => heart.sign(),
        hasBlob: () => fed.stop(),
        during: (work) => heart.during(work),
      },
    },
    parts,
  );
  const own = error === undefined ? undefined : ownError(errorFromWire(error), fed);
  return { ...result, ...(own && { error: errorToWire(own) }), from: fed.outcomes() };
}

function ownError(error: ImgctlError, fed: FedBody): ImgctlError {
  if (hasCode(error, 'digest_mismatch', 'size_mismatch')) return fed.blame(error);
  return hasCode(error, 'interrupted') ? (fed.failure ?? error) : error;
}
