import type { FetchResult } from '../../agent-api/schemas.ts';
import { hasCode } from '../../errors.ts';
import type { Descriptor } from '../../image/descriptor.ts';
import type { Digest } from '../../image/digest.ts';
import { noPeerServed, servedWrongBytes } from './fetch-errors.ts';
import type { Peers } from './peers.ts';
import { PeerRead } from './read-from-peers.ts';
import { SourcePeer } from './source-peer.ts';

export interface Fetching {
  readonly descriptor: Descriptor;
  /** URLs, those first that should be asked first. */
  readonly from: readonly string[];
  readonly peers: Peers;
  readonly signal: AbortSignal;
  /** Told of all that peers send, wanted or not. */
  onBytes(bytes: number): void;
  /** Brings the blob into the store, from wherever it was left; `body` is not read where it is there. */
  receive(body: (held: number) => AsyncIterable<Uint8Array>): Promise<unknown>;
}

/** Another writer's bytes may come in between. */
const maxOffsetCorrections = 5;

/**
 * Brings a blob from peers that have it whole. Bytes of several peers that do not add up to it are fetched again from
 * one peer alone after the other: so the one that serves wrong bytes is found, and not asked again.
 * @throws ImgctlError `request_invalid`; when every peer failed, see noPeerServed; what `receive` throws
 */
export async function fetchBlob(fetching: Fetching): Promise<FetchResult> {
  const { descriptor, from, peers, signal } = fetching;
  const { digest } = descriptor;
  for (const url of from) peers.mustName(url);
  const sources = [...new Set(from)].map((url) => new SourcePeer(url));
  let alone = false;
  let corrections = 0;
  let suspects: ReadonlySet<SourcePeer> = new Set();
  for (;;) {
    const usable = sources.filter(({ error }) => error === undefined);
    if (usable.length === 0) throw noPeerServed(digest, sources);
    const asked = alone ? usable.slice(0, 1) : usable;
    const read = new PeerRead({ ...fetching, sources: asked });
    try {
      await fetching.receive((held) => read.bytes(held));
      accuse(digest, suspects, read.contributors);
      return resultOf(sources);
    } catch (error) {
      signal.throwIfAborted();
      if (read.exhausted) continue;
      if (hasCode(error, 'offset_mismatch') && ++corrections <= maxOffsetCorrections) continue;
      if (!hasCode(error, 'digest_mismatch', 'size_mismatch')) throw error;
      const [only, another] = read.contributors;
      // Nothing came of any peer: what the store held was wrong, and is gone
      if (only === undefined && ++corrections > maxOffsetCorrections) throw error;
      if (only !== undefined && another === undefined && read.start === 0)
        only.drop(servedWrongBytes(digest, error));
      else suspects = read.contributors;
      alone = true;
    }
  }
}

function resultOf(sources: readonly SourcePeer[]): FetchResult {
  const from = sources.map((source) => source.outcome());
  return { received: from.reduce((sum, { bytes }) => sum + bytes, 0), from };
}

/** Of two that were mixed, the one is proven honest: it was the other. */
function accuse(digest: Digest, mixed: ReadonlySet<SourcePeer>, honest: ReadonlySet<SourcePeer>): void {
  if (honest.size !== 1 || mixed.size !== 2) return;
  for (const source of mixed) if (!honest.has(source)) source.drop(servedWrongBytes(digest));
}
