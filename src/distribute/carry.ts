import type { ImportHandle } from '../agent-api/import-node.ts';
import type { RegistrySource } from '../agent-api/registry-source.ts';
import type { RelayHop } from '../agent-api/relay.ts';
import { hasCode, ImgctlError, toImgctlError } from '../errors.ts';
import type { Digest } from '../image/digest.ts';
import { countBytes } from '../streams/count-bytes.ts';
import type { SourceCheck } from '../transfer/source-check.ts';
import type { WireEncoding } from '../transfer/wire-encoding.ts';
import {
  failedFirst,
  failedHop,
  fedEnds,
  type HopEnd,
  hopEnds,
  pulledEnds,
  unpulledFirst,
} from './hop-result.ts';
import type { FetchTransfer, PlanBlob, RelayTransfer, Transfer } from './plan-types.ts';

/** Of several small blobs so many are on their way at once, in one transfer: what lies between them is waiting. */
const blobsAtOnce = 4;

/** A node's import as transfers see it. */
export interface Stop {
  readonly name: string;
  /** `http[s]://host:port`, as its peers reach it. */
  readonly url: string;
  readonly handle: ImportHandle;
  /** Whether it takes compressed blobs, and passes them on. */
  readonly zstd: boolean;
  /** Bytes that went from the command to it. */
  sent(bytes: number): void;
  /** A sign that it is being worked for. */
  touch(): void;
}

export interface Carrying {
  readonly check: SourceCheck;
  readonly wire: WireEncoding;
  readonly signal: AbortSignal;
  /** Where the source is a registry that the nodes read themselves: what to tell them of a blob. */
  readonly registry?: ((digest: Digest) => RegistrySource) | undefined;
  stop(node: string): Stop;
  /** Where peers reach it, also a node that lacks nothing itself. */
  url(node: string): string;
}

/**
 * Carries out one transfer of the plan, blob after blob. Answers what became of it at every node of the route: of
 * several blobs, what became of the first that did not get there.
 * @throws ImgctlError `digest_mismatch` (phase archive), `archive_truncated`, …: the source itself is unsound
 */
export async function carry(transfer: Transfer, carrying: Carrying): Promise<readonly HopEnd[]> {
  const { blobs } = transfer;
  const ends = new Map<string, HopEnd>();
  const left = blobs.values();
  const goOn = async () => {
    for (const blob of left) {
      const offset = blobs.length === 1 ? transfer.offset : 0;
      for (const end of await carryBlob(transfer, blob, offset, carrying))
        if (ends.get(end.node)?.result.ok !== false) ends.set(end.node, end);
      // Nobody is left to bring the others to
      if ([...ends.values()].every(({ result }) => !result.ok)) return;
    }
  };
  const ways = await Promise.allSettled(Array.from({ length: blobsAtOnce }, goOn));
  for (const way of ways) if (way.status === 'rejected') throw way.reason;
  return [...ends.values()];
}

function carryBlob(
  transfer: Transfer,
  blob: PlanBlob,
  offset: number,
  carrying: Carrying,
): Promise<readonly HopEnd[]> {
  if (transfer.kind === 'fetch') return fetchBlob(transfer, blob, carrying);
  if (transfer.from === 'source')
    return carrying.registry === undefined
      ? sendAlong(transfer, blob, offset, carrying)
      : pullAlong(transfer, blob, carrying.registry(blob.digest), { ...carrying, offset });
  // The node that has it may have ended its import, and takes no request of that any more: the first one fetches
  const { node: feeder } = transfer.from;
  const [to, another] = transfer.route;
  if (to === undefined) return Promise.resolve([]);
  if (another === undefined)
    return fetchBlob({ ...transfer, kind: 'fetch', to, from: [feeder] }, blob, carrying);
  return fetchAlong(transfer, feeder, blob, offset, carrying);
}

async function sendAlong(
  { route }: RelayTransfer,
  blob: PlanBlob,
  offset: number,
  { check, wire, signal, stop }: Carrying,
): Promise<readonly HopEnd[]> {
  const [first, ...behind] = route.map(stop);
  if (first === undefined) return [];
  const { digest, size } = blob;
  const touch = () => {
    for (const { name } of [first, ...behind]) stop(name).touch();
  };
  try {
    // A node passes on what it got
    const takes = [first, ...behind].every(({ zstd }) => zstd);
    const { body, encoding } = await wire.bodyOf({ digest, offset, size }, takes, signal);
    const result = await first.handle.put(
      { digest, offset, size },
      () =>
        countBytes(body(), (bytes) => {
          first.sent(bytes);
          touch();
        }),
      signal,
      behind.length === 0
        ? { encoding }
        : {
            encoding,
            relay: behind.map(hopOf),
            onAlive: touch,
          },
    );
    const ends = hopEnds(route, result);
    for (const { error } of ends) wire.refused(blob, error);
    return ends;
  } catch (thrown) {
    if (signal.aborted) return route.map((node) => cancelled(node));
    wire.refused(blob, thrown);
    if (hasCode(thrown, 'digest_mismatch', 'size_mismatch')) await check.mustBeSound(digest, thrown, signal);
    const error = toImgctlError(thrown);
    if (error.context.phase === 'archive') throw error;
    return [failedFirst(first.name, error, offset), ...behind.map(({ name }) => cancelled(name))];
  }
}

/** The first node of the route gets it from `feeder`, and passes it on to those behind. */
async function fetchAlong(
  { route }: RelayTransfer,
  feeder: string,
  { digest, size }: PlanBlob,
  offset: number,
  { signal, stop, url }: Carrying,
): Promise<readonly HopEnd[]> {
  const [first, ...behind] = route.map(stop);
  if (first === undefined) return [];
  try {
    const answer = await first.handle.fetch({ digest, size }, [url(feeder)], signal, {
      relay: behind.map(hopOf),
      offset,
    });
    return fedEnds(route, answer);
  } catch (thrown) {
    if (signal.aborted) return route.map((node) => cancelled(node));
    return [
      failedFirst(first.name, toImgctlError(thrown), offset),
      ...behind.map(({ name }) => cancelled(name)),
    ];
  }
}

/** The first node of the route reads it from its registry, and passes it on to those behind. */
async function pullAlong(
  { route }: RelayTransfer,
  { digest, size }: PlanBlob,
  registry: RegistrySource,
  { signal, stop, offset }: Carrying & { readonly offset: number },
): Promise<readonly HopEnd[]> {
  const [first, ...behind] = route.map(stop);
  if (first === undefined) return [];
  try {
    if (first.handle.pull === undefined) throw new ImgctlError('node_protocol', 'the node pulls nothing');
    const answer = await first.handle.pull({ digest, size, offset }, registry, signal, {
      relay: behind.map(hopOf),
      onAlive: () => first.touch(),
    });
    return pulledEnds(route, answer, offset);
  } catch (thrown) {
    if (signal.aborted) return route.map((node) => cancelled(node));
    const error = toImgctlError(thrown);
    return [
      unpulledFirst(first.name, error, offset) ?? failedFirst(first.name, error, offset),
      ...behind.map(({ name }) => cancelled(name)),
    ];
  }
}

function hopOf({ name, url, handle }: Stop): RelayHop {
  return { node: name, url, import: handle.id };
}

async function fetchBlob(
  { to, from }: FetchTransfer,
  { digest, size }: PlanBlob,
  { signal, stop, url }: Carrying,
): Promise<readonly HopEnd[]> {
  const target = stop(to);
  try {
    await target.handle.fetch({ digest, size }, from.map(url), signal);
    return [{ node: to, result: { ok: true } }];
  } catch (thrown) {
    if (signal.aborted) return [cancelled(to)];
    const error = toImgctlError(thrown);
    // That no peer gave it is the peers' fault
    return [
      error.context.phase === 'fetch'
        ? { node: to, result: { ok: false, reason: 'link' }, error }
        : failedHop(to, error),
    ];
  }
}

function cancelled(node: string): HopEnd {
  return failedHop(node, new ImgctlError('interrupted', 'the route was given up', { context: { node } }));
}
