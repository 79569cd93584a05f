import { errorToWire } from '../../agent-api/errors.ts';
import type { BlobToSend } from '../../agent-api/import-node.ts';
import type { RelayHop } from '../../agent-api/relay.ts';
import type { PutResult } from '../../agent-api/schemas.ts';
import { hasCode, ImgctlError, toImgctlError } from '../../errors.ts';
import type { Digest } from '../../image/digest.ts';
import type { Store } from '../../store/store.ts';
import type { HostedImport } from '../imports.ts';
import type { PeerClients } from '../peers/peer-clients.ts';
import type { Uplink } from '../uplink.ts';
import type { Branch } from './branch.ts';
import type { RelayBuffers } from './buffers.ts';
import { ForkedBody } from './forked-body.ts';
import { passOn, patienceWith } from './pass-on.ts';
import type { Coding } from './wire-body.ts';

/**
 * relay/ is the middle of a blob's route: the bytes go into this node's store and on to the next node at the same time.
 *
 * Promises: every hop verifies for itself, and what became of the blob is said of each. A hop that fails, stalls, or is
 * much slower than the others is cut off, and the others go on. No more is held than RelayBuffers allows.
 *
 * A store that is much slower than the next node is left behind in the same way: it keeps what it has, and the answer
 * says how much. Catching up is left to whoever made the route, who knows from whom it is cheapest.
 *
 * Compressed bytes are passed on as they came, and undone for the store alone: a piece of the body is a whole frame, so
 * that after each the next node can be fed from the store.
 *
 * Where another import brings the same blob to this node, the store takes nothing of this body, unless that one dies.
 * The next node is fed from it all the same. As soon as the blob is here, by whomever, the next node gets what it
 * lacks from this node's store, as fast as it can take it.
 */

export interface RelayParts {
  readonly store: Store;
  readonly peers: Pick<PeerClients, 'borrow' | 'parse'>;
  readonly buffers: RelayBuffers;
  readonly limits: RelayLimits;
  readonly uplink: Uplink;
}

/** Times in milliseconds. */
export interface RelayLimits {
  /** Twice as long one side may hold up the other, then they are parted. */
  readonly relayPatienceMs: number;
  /** The next node is cut off when it neither takes a byte nor gives a sign of work for so long. */
  readonly peerStallMs: number;
}

export interface Relaying {
  readonly hosted: Pick<HostedImport, 'put' | 'offsetOf'>;
  readonly blob: BlobToSend;
  /** The hops behind this node; not empty. */
  readonly route: readonly RelayHop[];
  readonly coding: Coding;
  /** Its pieces. */
  readonly body: () => AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
  /** Of what is passed on, in bytes a second, as the import has it. */
  readonly maxRate?: number | undefined;
  /** Tells whoever waits for the answer that this node is at work. */
  readonly heart: Heart;
}

/** Signs of life for whoever waits. */
export interface Heart {
  sign(): void;
  /** No more of the body need be sent. */
  hasBlob(digest: Digest): void;
  /** All the time until it is settled. */
  during<T>(work: Promise<T>): Promise<T>;
}

/** What a store may need to find its place in a blob that it holds in part: some read and hash that part again. */
const resumeBytesPerMs = 100_000;

/**
 * Answers when it is settled for every hop.
 * @throws ImgctlError `offset_mismatch`, `import_gone`, `request_invalid`: nothing was passed on then; the signal's reason
 */
export async function relayBlob(relaying: Relaying, parts: RelayParts): Promise<PutResult> {
  const { hosted, blob, route, coding, body, signal, heart } = relaying;
  mustHoldEnough(hosted, blob);
  for (const next of route.slice(0, 1)) parts.peers.parse(next.url);
  using buffer = parts.buffers.take();
  using use = parts.uplink.use(relaying.maxRate);
  const { flow } = use;
  const { relayPatienceMs, peerStallMs } = parts.limits;
  const patienceMs = relayPatienceMs + blob.offset / resumeBytesPerMs;
  const fork = new ForkedBody(buffer.bytes);
  const kept = fork.branch({ patienceMs, tooSlow: leftBehind, onTaken: () => heart.sign() });
  const onward = fork.branch({
    patienceMs: patienceWith(route, patienceMs),
    tooSlow: () => tooSlow(route),
    heldBackMs: () => flow.waitedMs,
  });
  const settled = new AbortController();
  let received = 0;
  const counted = async function* () {
    for await (const piece of body()) {
      received += coding.contentBytes(piece);
      yield piece;
    }
  };
  const pouring = fork.pour(counted(), AbortSignal.any([signal, settled.signal]));
  const passing = passOn({ ...parts, route, blob, coding, body: onward, stallMs: peerStallMs, flow, signal });
  try {
    const [error, relay] = await Promise.all([
      keep(relaying, { kept, onward, received: () => received }),
      heart.during(passing),
    ]);
    signal.throwIfAborted();
    return { received, ...(error && ownFailure(relaying, error)), relay: [...relay] };
  } finally {
    settled.abort(new ImgctlError('interrupted', 'the blob is settled'));
    await pouring;
  }
}

/** Before anything is begun: a route that begins too late for one of its hops is made anew from where that one is. */
function mustHoldEnough(hosted: Relaying['hosted'], { digest, offset }: BlobToSend): void {
  const held = hosted.offsetOf(digest);
  if (held === undefined || held >= offset) return;
  throw new ImgctlError(
    'offset_mismatch',
    `the node holds ${held} bytes of ${digest}, the transfer begins at ${offset}`,
    { hint: 'Begin at the offset that the node holds.', context: { digest, offset: held } },
  );
}

/** Into this node's store; answers why not. */
async function keep(
  { hosted, blob, coding, signal, heart }: Relaying,
  {
    kept,
    onward,
    received,
  }: { readonly kept: Branch; readonly onward: Branch; readonly received: () => number },
): Promise<ImgctlError | undefined> {
  const stop = new AbortController();
  kept.dropped.addEventListener('abort', () => {
    // A store that hangs must not hold up the answer. One that waits for another import may still get the blob from it
    if (kept.begun) stop.abort(kept.dropped.reason);
  });
  try {
    await hosted.put(blob, () => coding.decode(kept), AbortSignal.any([signal, stop.signal]));
    // It is here, perhaps before this body brought it: what the next hop lacks comes from the store
    if (blob.offset + received() < blob.size) heart.hasBlob(blob.digest);
    onward.end();
    return undefined;
  } catch (error) {
    return toImgctlError(error);
  } finally {
    kept.close();
  }
}

function ownFailure(relaying: Relaying, error: ImgctlError): Pick<PutResult, 'error' | 'offset'> {
  const held = hasCode(error, 'offset_mismatch') ? error.context.offset : heldNow(relaying);
  return { error: errorToWire(error), ...(typeof held === 'number' && { offset: held }) };
}

function heldNow({ hosted, blob }: Relaying): number | undefined {
  try {
    return hosted.offsetOf(blob.digest);
  } catch {
    // The import has ended
    return undefined;
  }
}

function leftBehind(): ImgctlError {
  return new ImgctlError(
    'node_stalled',
    "the node's store took the bytes too slowly: they went on without it",
    {
      hint: 'What it took is kept: send it the rest. See how busy its disk is.',
    },
  );
}

function tooSlow([next]: readonly RelayHop[]): ImgctlError {
  return new ImgctlError('node_stalled', `${next?.node} took the bytes too slowly, and was cut off`, {
    hint: 'What it took is kept: send it the rest. See the network to it, and how busy it is.',
  });
}
