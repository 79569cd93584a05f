import type { BlobToSend } from '../../agent-api/import-node.ts';
import type { RelayHop } from '../../agent-api/relay.ts';
import type { RelayResult } from '../../agent-api/schemas.ts';
import { ImgctlError, toImgctlError } from '../../errors.ts';
import type { Store } from '../../store/store.ts';
import type { Flow } from '../../streams/rate-limit.ts';
import { StallClock } from '../../transfer/stall-clock.ts';
import type { PeerClients } from '../peers/peer-clients.ts';
import type { Branch } from './branch.ts';
import { failuresOf, resultsOf } from './relay-results.ts';
import type { Coding } from './wire-body.ts';

/** So that, of a route, the last one cuts off first who stalls: those before it would take all behind with them. */
const perHopMs = 50;

export interface PassingOn {
  readonly peers: Pick<PeerClients, 'borrow'>;
  readonly store: Pick<Store, 'read'>;
  /** The next hop, and those behind it. */
  readonly route: readonly RelayHop[];
  readonly blob: BlobToSend;
  readonly coding: Coding;
  /** What comes of the blob. Where it ends before the blob does, this node has it whole. */
  readonly body: Branch;
  /** The next hop is cut off when it neither takes a byte nor gives a sign of work for so long, in milliseconds. */
  readonly stallMs: number;
  /** Of what goes to the next hop. */
  readonly flow: Flow;
  readonly signal: AbortSignal;
}

/** Sends a blob to the next hop while it comes, and answers what became of it there and behind. Never rejects. */
export async function passOn(passing: PassingOn): Promise<readonly RelayResult[]> {
  const { peers, route, blob, coding, body, stallMs, flow, signal } = passing;
  const [next, ...relay] = route;
  if (next === undefined) return [];
  const cut = new AbortController();
  const until = AbortSignal.any([signal, cut.signal, body.dropped]);
  let waits: 'for us' | 'for the hop' = 'for the hop';
  let enough = false;
  const onStall = () => {
    if (waits === 'for us') clock.touch();
    else cut.abort(stalled(next, stallMs));
  };
  using clock = new StallClock(stallMs + relay.length * perHopMs, onStall, () => flow.waitedAt);
  async function* bytes(): AsyncGenerator<Uint8Array> {
    waits = 'for us';
    for await (const chunk of wholeBlob(passing, () => enough)) {
      waits = 'for the hop';
      clock.touch();
      yield chunk;
      waits = 'for us';
    }
    waits = 'for the hop';
    clock.touch();
  }
  try {
    using peer = peers.borrow(next.url);
    const onAlive = () => clock.touch();
    const onEnough = () => {
      enough = true;
      waits = 'for the hop';
      body.close();
    };
    const answer = await peer.client.putInto(next.import, blob, bytes, until, {
      relay,
      encoding: coding.name,
      onAlive,
      onEnough,
      flow,
    });
    return resultsOf(route, answer);
  } catch (error) {
    return failuresOf(route, toImgctlError(error));
  } finally {
    body.close();
  }
}

/** What comes, as long as this node needs it too; once it has the blob, what is left of it from its own store. */
async function* wholeBlob(
  { body, coding, store, blob, signal }: PassingOn,
  isEnough: () => boolean,
): AsyncGenerator<Uint8Array> {
  let at = blob.offset;
  for await (const chunk of body) {
    at += coding.contentBytes(chunk);
    yield chunk;
  }
  const length = blob.size - at;
  if (length > 0 && !isEnough())
    yield* coding.encode(store.read(blob.digest, { offset: at, length }, signal));
}

/** For which the next hop of a route may hold up this node's store, in milliseconds. */
export function patienceWith(route: readonly RelayHop[], patienceMs: number): number {
  return patienceMs + route.length * perHopMs;
}

function stalled({ node }: RelayHop, ms: number): ImgctlError {
  return new ImgctlError('node_stalled', `${node} took no byte and gave no sign of work for ${ms / 1000} s`, {
    hint: 'See the log of the agent there, and the network to it.',
  });
}
