import { errorFromWire } from '../agent-api/errors.ts';
import type { ImportEvent } from '../agent-api/events.ts';
import type { ImportHandle, ImportNode } from '../agent-api/import-node.ts';
import type { Declaration, ImageStatus, ImportState, MissingBlob } from '../agent-api/schemas.ts';
import { hasCode, ImgctlError } from '../errors.ts';
import type { BlobSource } from '../image/source.ts';
import { mustHave } from './absent-blobs.ts';
import { declareLimitMs } from './declare-limit.ts';
import { sendBlobs } from './send-blobs.ts';
import type { SourceCheck } from './source-check.ts';
import { StallClock } from './stall-clock.ts';
import type { WireEncoding } from './wire-encoding.ts';

/** Rounds without any progress after which a node that still asks is not believed. */
const maxIdleRounds = 3;
/** How long leaving an import may take, in milliseconds: nobody waits for a node that is gone. */
const leaveTimeoutMs = 3_000;
/** How long a node that has ended the import may take to say how, in milliseconds. */
const endTimeoutMs = 5_000;

export interface FeedOptions {
  readonly node: ImportNode;
  readonly source: BlobSource;
  readonly declaration: Declaration;
  readonly check: SourceCheck;
  readonly concurrency: number;
  readonly stallTimeoutMs: number;
  readonly signal: AbortSignal;
  /** Where the node takes encoded blobs. */
  readonly wire?: WireEncoding | undefined;
  /** Told what the node lacks before any blob is sent; what it throws ends the import with nothing sent. */
  beforeSending(state: ImportState): Promise<void>;
  onBytes(bytes: number): void;
  onEvent(event: ImportEvent): void;
  /** How the blobs get there; straight from the source unless given. */
  readonly send?:
    | ((handle: ImportHandle, blobs: readonly MissingBlob[], way: SendingWay) => Promise<void>)
    | undefined;
}

export interface SendingWay {
  readonly signal: AbortSignal;
  /** Bytes that were handed to the network: a sign that the node takes them. */
  onBytes(bytes: number): void;
  /** Another sign that it is not the node that others wait for. */
  touch(): void;
}

/**
 * Imports into one node, once: declares, asks what is missing, sends it, asks again, and waits until every image is
 * ready or failed. Answers what became of the images; an import that did not get that far is left, resumable.
 * @throws ImgctlError `node_stalled`, `import_incomplete`, `archive_incomplete`, and those of the node
 */
export async function feed(options: FeedOptions): Promise<readonly ImageStatus[]> {
  const { source, signal } = options;
  const stopped = new AbortController();
  const running = AbortSignal.any([signal, stopped.signal]);
  const stalled = () => stopped.abort(stallError(options.stallTimeoutMs));
  let handle: ImportHandle | undefined;
  let settled = false;
  try {
    handle = await open(options, stalled, running);
    mustHave(source, handle.opened.missing, options.declaration.documents);
    await options.beforeSending(handle.opened);
    using clock = new StallClock(options.stallTimeoutMs, stalled, () => heldBackAt(options.node));
    // Whoever ends first, the events or the sending, ends the other
    const events = watch(handle, options, clock, running);
    const sending = sendMissing(handle, options, clock, running);
    const sent = sending.then(
      () => events,
      (error) => orEnd(events, error),
    );
    const images = await Promise.race([events, sent]);
    settled = true;
    stopped.abort(new ImgctlError('interrupted', 'every image is settled'));
    await sending.catch(() => undefined);
    return images;
  } catch (error) {
    // What was cut off says so in many ways; why it was is the error
    throw running.aborted ? running.reason : error;
  } finally {
    if (!settled) {
      stopped.abort(new ImgctlError('interrupted', 'the import is left'));
      if (handle !== undefined) await leaveSoon(handle);
    }
  }
}

async function open(
  { node, declaration, stallTimeoutMs }: FeedOptions,
  stalled: () => void,
  signal: AbortSignal,
): Promise<ImportHandle> {
  const limitMs = declareLimitMs(stallTimeoutMs, declaration);
  using _clock = new StallClock(limitMs, stalled, () => heldBackAt(node));
  return await node.openImport(declaration, signal);
}

function heldBackAt(node: ImportNode): number {
  return node.waitedAt?.() ?? Number.NEGATIVE_INFINITY;
}

async function sendMissing(
  handle: ImportHandle,
  options: FeedOptions,
  clock: StallClock,
  signal: AbortSignal,
): Promise<void> {
  let { missing } = handle.opened;
  for (let idle = 0; missing.length > 0; ) {
    mustHave(options.source, missing, options.declaration.documents);
    const way: SendingWay = {
      signal,
      onBytes(bytes) {
        clock.touch();
        options.onBytes(bytes);
      },
      touch: () => clock.touch(),
    };
    await (options.send?.(handle, missing, way) ?? sendBlobs(missing, { ...options, ...way, handle }));
    const before = missing;
    ({ missing } = await handle.state(signal));
    clock.touch();
    idle = isSame(before, missing) ? idle + 1 : 0;
    if (idle >= maxIdleRounds) throw stillMissing(missing);
  }
}

function isSame(before: readonly MissingBlob[], after: readonly MissingBlob[]): boolean {
  return (
    before.length === after.length &&
    before.every(({ digest, offset }, i) => after[i]?.digest === digest && after[i].offset === offset)
  );
}

async function watch(
  handle: ImportHandle,
  { onEvent }: FeedOptions,
  clock: StallClock,
  signal: AbortSignal,
): Promise<readonly ImageStatus[]> {
  for await (const event of handle.events(signal)) {
    if (event.type !== 'alive' || event.busy !== undefined) clock.touch();
    onEvent(event);
    if (event.type === 'done') return event.images;
    if (event.type === 'error') throw endedByNode(errorFromWire(event.error));
  }
  signal.throwIfAborted();
  throw new ImgctlError('node_protocol', 'the node stopped telling how the import goes', {
    hint: 'The agent may have been stopped: look at its log. Run the command again: what arrived is not sent again.',
    context: { phase: 'events' },
  });
}

/** An agent that stops interrupts the import; for this side it is an import that is gone, to be declared again. */
function endedByNode(error: ImgctlError): ImgctlError {
  if (error.code !== 'interrupted') return error;
  return new ImgctlError('import_gone', `the node ended the import: ${error.message}`, {
    hint: error.hint,
    cause: error,
  });
}

/** An import that takes no more may have all that it needs: its last event, which is on its way, says how it ended. */
async function orEnd<T>(events: Promise<T>, error: unknown): Promise<T> {
  if (!hasCode(error, 'import_gone', 'lease_lost')) throw error;
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(error), endTimeoutMs);
  try {
    return await Promise.race([events, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function leaveSoon(handle: ImportHandle): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, leaveTimeoutMs);
  try {
    // A node that cannot be told leaves the import by itself when nothing is heard for a while
    await Promise.race([handle.leave().catch(() => undefined), late]);
  } finally {
    clearTimeout(timer);
  }
}

function stallError(limitMs: number): ImgctlError {
  return new ImgctlError(
    'node_stalled',
    `the node took no byte and gave no sign of work for ${limitMs / 1000} s`,
    {
      hint: 'Look at the node: its network, its disk, the agent and containerd. --stall-timeout allows for more.',
      context: { phase: 'send' },
    },
  );
}

function stillMissing(missing: readonly MissingBlob[]): ImgctlError {
  return new ImgctlError('import_incomplete', `the node took ${missing.length} blobs and still lacks them`, {
    hint: 'Its image store loses what it is given: look at its log, its disk and its garbage collection.',
    context: { phase: 'send', missing: missing.length },
  });
}
