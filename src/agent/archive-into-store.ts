import type { ImportEvent } from '../agent-api/events.ts';
import { importArchiveStream } from '../archive/stream-archive.ts';
import type { ImportOptions } from '../transfer/import.ts';
import { importArchive } from '../transfer/import-archive.ts';
import type { ArchiveSettings } from './http/context.ts';

/** An archive of any format and compression into the store while it arrives, without a copy on disk. */
export function archiveIntoStore(
  options: ImportOptions,
  archive: AsyncIterable<Uint8Array>,
  { tag, label = 'the archive', platforms, pin, unpack }: ArchiveSettings,
  signal: AbortSignal,
): AsyncIterable<ImportEvent> {
  return importArchive(
    options,
    {
      ...(platforms === undefined ? {} : { platforms: [...platforms] }),
      pin,
      unpack,
      read: async (sink, stop) => {
        return importArchiveStream(archive, sink, { label, tag, signal: stop });
      },
    },
    signal,
  );
}
