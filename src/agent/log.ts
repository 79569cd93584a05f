import { type DestinationStream, destination, type Logger, pino } from 'pino';
import type { ImportSummary } from './import-record.ts';

export type Log = Pick<Logger, 'info' | 'warn' | 'error'>;

/**
 * JSON lines on standard error (or where a test wants them). No transports: their worker threads do not exist in a
 * single executable. Nothing that is logged holds a request's headers, so no token can get in.
 */
export function createLog(to: DestinationStream = destination({ fd: 2, sync: true })): Log {
  return pino({ base: null, timestamp: () => `,"time":"${new Date().toISOString()}"` }, to);
}

/** One line an import: who, what, how many bytes, with what outcome, in what time. */
export function tellImportEnded(log: Log, { images, ...summary }: ImportSummary): void {
  const told = images.map(({ name, digest, state, unchanged, error }) => ({
    name,
    digest,
    state,
    ...(unchanged === true ? { unchanged } : {}),
    ...(error === undefined ? {} : { error: error.code, message: error.message }),
  }));
  const line = { ...summary, images: told };
  if (summary.outcome === 'ready') log.info(line, 'import ended');
  else log.warn(line, 'import ended');
}
