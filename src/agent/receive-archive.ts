import { randomUUID } from 'node:crypto';
import type { ImportEvent } from '../agent-api/events.ts';
import type { AgentContext, ArchiveSettings } from './http/context.ts';
import { type ImportSummary, outcomeOf } from './import-record.ts';
import { tellImportEnded } from './log.ts';

interface Caller {
  readonly who: string;
  readonly signal: AbortSignal;
}

/** Imports an archive while it arrives, counted, and told in the log as every import is. */
export async function* receiveArchive(
  { importArchive, metrics, log }: Pick<AgentContext, 'importArchive' | 'metrics' | 'log'>,
  body: AsyncIterable<Uint8Array>,
  settings: ArchiveSettings,
  { who, signal }: Caller,
): AsyncGenerator<ImportEvent> {
  const begun = performance.now();
  let receivedBytes = 0;
  let ended: Pick<ImportSummary, 'outcome' | 'images'> = { outcome: 'left', images: [] };
  async function* counted() {
    for await (const chunk of body) {
      receivedBytes += chunk.byteLength;
      metrics.bytesReceived(chunk.byteLength);
      yield chunk;
    }
  }
  try {
    for await (const event of importArchive(counted(), settings, signal)) {
      if (event.type === 'done') ended = { outcome: outcomeOf(event.images), images: event.images };
      if (event.type === 'error') ended = { outcome: 'failed', images: [] };
      yield event;
    }
  } catch (error) {
    ended = { outcome: signal.aborted ? 'left' : 'failed', images: [] };
    throw error;
  } finally {
    const durationMs = Math.round(performance.now() - begun);
    const summary = { id: randomUUID(), who, ...ended, receivedBytes, durationMs };
    metrics.importEnded(summary);
    tellImportEnded(log, summary);
  }
}
