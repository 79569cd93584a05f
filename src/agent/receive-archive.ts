import { randomUUID } from 'node:crypto';
import type { ImportEvent } from '../agent-api/events.ts';
import { toImgctlError } from '../errors.ts';
import type { AgentContext, ArchiveSettings } from './http/context.ts';
import { type ImportSummary, outcomeOf } from './import-record.ts';
import { tellImportEnded } from './log.ts';

interface Caller {
  readonly who: string;
  readonly signal: AbortSignal;
}

/** Imports an archive while it arrives, counted, and told in the log as every import is. @throws ImgctlError `overloaded` */
export async function* receiveArchive(
  {
    importArchive,
    imports,
    metrics,
    log,
  }: Pick<AgentContext, 'importArchive' | 'imports' | 'metrics' | 'log'>,
  body: AsyncIterable<Uint8Array>,
  settings: ArchiveSettings,
  { who, signal }: Caller,
): AsyncGenerator<ImportEvent> {
  using _ = imports.takePlace();
  const begun = performance.now();
  let receivedBytes = 0;
  let ended: Pick<ImportSummary, 'outcome' | 'images'> = { outcome: 'left', images: [] };
  let why: { readonly code: string; readonly message: string } | undefined;
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
      if (event.type === 'error') {
        ended = { outcome: 'failed', images: [] };
        why = event.error;
      }
      yield event;
    }
  } catch (error) {
    ended = { outcome: signal.aborted ? 'left' : 'failed', images: [] };
    why = toImgctlError(error);
    throw error;
  } finally {
    const durationMs = Math.round(performance.now() - begun);
    const error = why === undefined ? {} : { error: { code: why.code, message: why.message } };
    const summary = { id: randomUUID(), who, ...ended, receivedBytes, durationMs, ...error };
    metrics.importEnded(summary);
    tellImportEnded(log, summary);
  }
}
