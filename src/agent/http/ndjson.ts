import type { ServerResponse } from 'node:http';
import { errorToWire } from '../../agent-api/errors.ts';
import { type ImportEvent, isTerminal } from '../../agent-api/events.ts';
import { ImgctlError, toImgctlError } from '../../errors.ts';
import { agentStops } from '../stopping.ts';
import { writeOut } from './write-out.ts';

export interface EventStream {
  readonly events: (signal: AbortSignal) => AsyncIterable<ImportEvent>;
  /** The agent stops: readers get a terminal event that says so. */
  readonly goodbye: AbortSignal;
  readonly clientGone: AbortSignal;
  /** A stream with nothing to tell says so this often, in milliseconds. */
  readonly aliveMs: number;
  readonly idleMs: number;
  readonly busy: () => Extract<ImportEvent, { type: 'alive' }>['busy'];
}

/**
 * Sends events, one JSON object a line, up to and with the terminal one: whatever happens, a client that still reads
 * gets one. The response stays open for its caller to end.
 */
export async function sendEvents(
  response: ServerResponse,
  stream: EventStream,
): Promise<ImportEvent | undefined> {
  const { goodbye, clientGone, aliveMs, idleMs } = stream;
  response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
  response.flushHeaders();
  let lastWrite = performance.now();
  const alive = setInterval(() => {
    const quiet = performance.now() - lastWrite >= aliveMs - 50;
    if (quiet && !response.writableNeedDrain) response.write(toLine({ type: 'alive', busy: stream.busy() }));
  }, aliveMs);
  let terminal: ImportEvent | undefined;
  try {
    for await (const event of stream.events(AbortSignal.any([goodbye, clientGone]))) {
      // What an import tells when it is left is the consequence, not the reason
      goodbye.throwIfAborted();
      await writeOut(response, toLine(event), idleMs);
      lastWrite = performance.now();
      if (!isTerminal(event)) continue;
      terminal = event;
      break;
    }
    terminal ??= await sendLast(response, incomplete(), idleMs);
  } catch (error) {
    if (clientGone.aborted) return undefined;
    const reason = goodbye.aborted ? agentStops() : toImgctlError(error);
    terminal = await sendLast(response, reason, idleMs).catch(() => undefined);
  } finally {
    clearInterval(alive);
  }
  return terminal;
}

async function sendLast(response: ServerResponse, error: ImgctlError, idleMs: number): Promise<ImportEvent> {
  const event: ImportEvent = { type: 'error', error: errorToWire(error) };
  await writeOut(response, toLine(event), idleMs);
  return event;
}

function toLine(event: ImportEvent): string {
  return `${JSON.stringify(event)}\n`;
}

function incomplete(): ImgctlError {
  return new ImgctlError('import_incomplete', 'the import ended before its images were complete', {
    hint: 'Run the same command again: what arrived is not sent again.',
  });
}
