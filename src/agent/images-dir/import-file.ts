import { errorFromWire } from '../../agent-api/errors.ts';
import type { ImageStatus } from '../../agent-api/schemas.ts';
import { openArchive } from '../../archive/archive.ts';
import { openInput } from '../../archive/input.ts';
import { ImgctlError } from '../../errors.ts';
import type { ImportOptions } from '../../transfer/import.ts';
import { archiveIntoStore } from '../archive-into-store.ts';
import { importSource } from '../import-source.ts';

/** How the images of the directory are brought, whatever they come from: every platform that is at hand, pinned. */
export const directoryRules = { pin: true, platforms: ['all'] };

/**
 * Imports the archive at `path`. One that is not compressed is read in place, and of it only what the store lacks; of
 * another the blobs go in while it is decompressed, without a copy on disk. Answers what became of each image.
 * @throws ImgctlError those of reading archives and of importing
 */
export async function importFile(
  path: string,
  options: ImportOptions,
  signal: AbortSignal,
): Promise<readonly ImageStatus[]> {
  await using input = await openInput({ kind: 'path', path });
  if (input.kind === 'file' && input.compression === 'none') return importPlain(path, options, signal);
  const settings = { ...directoryRules, label: path };
  for await (const event of archiveIntoStore(options, input.stream, settings, signal)) {
    if (event.type === 'done') return event.images;
    if (event.type === 'error') throw errorFromWire(event.error);
  }
  throw new ImgctlError('import_incomplete', `the import of ${path} broke off`);
}

async function importPlain(
  path: string,
  options: ImportOptions,
  signal: AbortSignal,
): Promise<readonly ImageStatus[]> {
  await using source = await openArchive({ kind: 'path', path }, { signal });
  return await importSource(source, directoryRules, options, signal);
}
