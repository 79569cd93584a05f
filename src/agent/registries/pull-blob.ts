import type { FetchResult } from '../../agent-api/schemas.ts';
import { toImgctlError } from '../../errors.ts';
import { type Feed, feedError, fetchAlong, WantedBytes } from '../relay/fetch-along.ts';
import type { Relaying, RelayParts } from '../relay/relay-blob.ts';

/**
 * A blob from a registry into this node's store, and on along the route, where there is one, while it comes.
 * @throws ImgctlError as `relayBlob`; without a route also what the result's error is with one
 */
export async function pullBlob(
  pulling: Omit<Relaying, 'body' | 'coding'>,
  feed: Feed,
  parts: RelayParts,
): Promise<FetchResult> {
  const { hosted, blob, route, signal } = pulling;
  if (route.length > 0) return fetchAlong(pulling, feed, parts);
  using wanted = new WantedBytes(feed, blob);
  try {
    const { received } = await hosted.put(blob, () => wanted.read(), signal);
    return { received, from: feed.outcomes() };
  } catch (thrown) {
    signal.throwIfAborted();
    throw feedError(toImgctlError(thrown), feed);
  }
}
