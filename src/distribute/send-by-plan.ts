import { registryFeature } from '../agent-api/registry-source.ts';
import { fetchRelayFeature } from '../agent-api/relay.ts';
import type { NodeInfo } from '../agent-api/schemas.ts';
import { zstdFeature } from '../agent-api/wire-encoding.ts';
import type { FeedOptions } from '../transfer/feed.ts';
import type { Dispatch } from './dispatch.ts';
import type { FanOutNode } from './fan-out-options.ts';

interface Planned {
  readonly node: FanOutNode;
  readonly dispatch?: Dispatch | undefined;
}

interface Told {
  /** Bytes from peers. */
  onFetched(bytes: number): void;
  /** Bytes from registries. */
  onPulled(bytes: number): void;
}

/** The way in which blobs get to a node that shares the work with others; absent: straight from the source. */
export function sendByPlan(
  { node: { name, peer }, dispatch }: Planned,
  { features }: NodeInfo,
  { onFetched, onPulled }: Told,
): FeedOptions['send'] {
  if (dispatch === undefined || peer === undefined) return undefined;
  return async (handle, blobs, { signal, onBytes, touch }) => {
    const wanted = dispatch.mayHold(blobs.map(({ digest }) => digest));
    const has = wanted.length === 0 ? [] : [...(await peer.have(wanted, signal))];
    if (blobs.length === 0) {
      // It has all that came so far of an archive that is still being read: others get it from there
      if (features.includes('fetch')) dispatch.holds({ name, url: peer.url }, has);
      return;
    }
    await dispatch.bring({
      name,
      url: peer.url,
      handle,
      zstd: features.includes(zstdFeature),
      lacks: blobs,
      has,
      relays: features.includes('relay'),
      fetches: features.includes('fetch'),
      leads: features.includes(fetchRelayFeature),
      pulls: features.includes(registryFeature),
      signal,
      sent: onBytes,
      fetched: onFetched,
      pulled: onPulled,
      touch,
    });
  };
}

/** A node that lacks nothing has the layers that others may lack. That it gives them is no condition of its own success. */
export async function offerToOthers(
  { node: { name, peer }, dispatch, signal }: Planned & { readonly signal: AbortSignal },
  { features }: NodeInfo,
): Promise<void> {
  if (dispatch === undefined || peer === undefined) return;
  if (!features.includes('fetch')) return dispatch.gone(name);
  try {
    const has = await peer.have(dispatch.mayHold([]), signal);
    dispatch.holds({ name, url: peer.url }, [...has]);
  } catch {
    // Whoever lacks them gets them from elsewhere
    dispatch.gone(name);
  }
}
