import { errorFromWire } from '../agent-api/errors.ts';
import type { ImportEvent } from '../agent-api/events.ts';
import type { ImportHandle, ImportNode } from '../agent-api/import-node.ts';
import type { Declaration, ImageStatus, ImportState, MissingBlob } from '../agent-api/schemas.ts';
import { hasCode, ImgctlError } from '../errors.ts';
import type { BlobSource } from '../image/source.ts';
import { mustHave } from './absent-blobs.ts';
import { declareLimitMs } from './declare-limit.ts';
import { sendBlobs } from './send-blobs.ts';
import { declareLater, type Early } from './send-early.ts';
import type { SourceCheck } from './source-check.ts';
import { StallClock } from './stall-clock.ts';
import type { WireEncoding } from './wire-encoding.ts';

/** Rounds without any progress after which a node that still asks is not believed. */
const maxIdleRounds = 3;
/** How long leaving an import may take, in milliseconds: nobody waits for a node that is gone. */
const leaveTimeoutMs = 3_000;
/** How long a node that has ended the import may take to say how, in milliseconds. */
const endTimeoutMs = 5_000;

/** What was sent before it was known to be needed is not kept where it turns out that the node cannot use it. */
const ofNoUse = ['store_full', 'platform_missing', 'archive_incomplete'] as const;

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
  /** Where the source is still being read: the import begins without images, and `declaration` names none. */
  readonly early?: Early | undefined;
  /**
   * Told what the node lacks before any blob is sent (of a source that is still being read: any that is known to be
   * needed); what it throws ends the import.
   */
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
  const { early, signal } = options;
  const stopped = new AbortController();
  const running = AbortSignal.any([signal, stopped.signal]);
  const stalled = () => stopped.abort(stallError(options.stallTimeoutMs));
  let handle: ImportHandle | undefined;
  let settled = false;
  let useless = false;
  early?.declaration.catch(() => {
    useless = !signal.aborted;
  });
  try {
    handle = await open(options, stalled, running);
    if (early === undefined) await check(handle.opened, options);
    const hold = { waits: early !== undefined };
    using clock = new StallClock(options.stallTimeoutMs, stalled, () =>
      hold.waits ? performance.now() : heldBackAt(options.node),
    );
    const line: Line = { handle, options, clock, stalled, hold, signal: running };
    // Whoever ends first, the events or the sending, ends the other
    const events = watch(line);
    const { declared, sent } = begin(line, early);
    const sending = sent.then((missing) => sendMissing(missing, line));
    const brought = sending.then(
      () => events,
      (error) => orEnd(events, error),
    );
    brought.catch(() => undefined);
    const images = await Promise.race([Promise.all([events, declared]).then(([images]) => images), brought]);
    settled = true;
    stopped.abort(new ImgctlError('interrupted', 'every image is settled'));
    await sending.catch(() => undefined);
    return images;
  } catch (error) {
    useless ||= early !== undefined && hasCode(error, ...ofNoUse);
    // What was cut off says so in many ways; why it was is the error
    throw running.aborted ? running.reason : error;
  } finally {
    if (!settled) {
      stopped.abort(new ImgctlError('interrupted', 'the import is left'));
      if (handle !== undefined) await leaveSoon(handle, useless);
    }
  }
}

/** An import under way, and what watches over it. */
interface Line {
  readonly handle: ImportHandle;
  readonly options: FeedOptions;
  readonly clock: StallClock;
  readonly stalled: () => void;
  /** Whether the node waits for this side, and not the other way round. */
  readonly hold: { waits: boolean };
  readonly signal: AbortSignal;
}

/** `declared`: the node was told of images, and is fit for them; `sent`: what it lacks after all that went there before. */
function begin(
  line: Line,
  early: Early | undefined,
): { readonly declared: Promise<void>; readonly sent: Promise<readonly MissingBlob[]> } {
  const { handle, clock, hold, signal } = line;
  if (early === undefined)
    return { declared: Promise.resolve(), sent: Promise.resolve(handle.opened.missing) };
  const waits = (isWaiting: boolean) => {
    hold.waits = isWaiting;
    clock.touch();
  };
  const { declared, rounds } = declareLater(early, {
    signal,
    waits,
    send: (blobs) => send(blobs, line),
    declare: (declaration) => declare(line, declaration),
  });
  const sent = declared.then(async () => {
    // What went wrong with blobs that may be needed is seen by what is missing
    await rounds.catch(() => undefined);
    waits(false);
    const { missing } = await handle.state(signal);
    return missing;
  });
  return { declared, sent };
}

async function check(state: ImportState, { source, declaration, beforeSending }: FeedOptions): Promise<void> {
  mustHave(source, state.missing, declaration.documents);
  await beforeSending(state);
}

async function declare({ handle, options, stalled, signal }: Line, declaration: Declaration): Promise<void> {
  const { images = [], documents = [] } = declaration;
  const { node, stallTimeoutMs } = options;
  const limitMs = declareLimitMs(stallTimeoutMs, declaration);
  using _clock = new StallClock(limitMs, stalled, () => heldBackAt(node));
  await check(await handle.declare({ images, documents }, signal), { ...options, declaration });
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

async function sendMissing(first: readonly MissingBlob[], line: Line): Promise<void> {
  const { handle, options, clock, signal } = line;
  const { documents } = (await options.early?.declaration) ?? options.declaration;
  let missing = first;
  for (let idle = 0; missing.length > 0; ) {
    mustHave(options.source, missing, documents);
    await send(missing, line);
    const before = missing;
    ({ missing } = await handle.state(signal));
    clock.touch();
    idle = isSame(before, missing) ? idle + 1 : 0;
    if (idle >= maxIdleRounds) throw stillMissing(missing);
  }
}

async function send(blobs: readonly MissingBlob[], { handle, options, clock, signal }: Line): Promise<void> {
  const way: SendingWay = {
    signal,
    onBytes(bytes) {
      clock.touch();
      options.onBytes(bytes);
    },
    touch: () => clock.touch(),
  };
  await (options.send?.(handle, blobs, way) ?? sendBlobs(blobs, { ...options, ...way, handle }));
}

function isSame(before: readonly MissingBlob[], after: readonly MissingBlob[]): boolean {
  return (
    before.length === after.length &&
    before.every(({ digest, offset }, i) => after[i]?.digest === digest && after[i].offset === offset)
  );
}

async function watch({ handle, options: { onEvent }, clock, signal }: Line): Promise<readonly ImageStatus[]> {
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

async function leaveSoon(handle: ImportHandle, discard: boolean): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, leaveTimeoutMs);
  try {
    // A node that cannot be told leaves the import by itself when nothing is heard for a while
    await Promise.race([handle.leave({ discard }).catch(() => undefined), late]);
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
