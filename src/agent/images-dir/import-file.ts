import { errorFromWire } from '../../agent-api/errors.ts';
import type { ImageStatus } from '../../agent-api/schemas.ts';
import { openArchive } from '../../archive/archive.ts';
import { openInput } from '../../archive/input.ts';
import { distribute } from '../../distribute/fan-out.ts';
import { ImgctlError } from '../../errors.ts';
import type { ImportOptions } from '../../transfer/import.ts';
import { createLocalNode } from '../../transfer/local-node.ts';
import { archiveIntoStore } from '../archive-into-store.ts';

/** How the images of the directory are brought, whatever they come from: every platform that is at hand, pinned. */
export const directoryRules = { pin: true, platforms: ['all'] };

/** A store that does nothing for so long is given up, and tried again later. Milliseconds. */
const stallTimeoutMs = 300_000;

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
  { store, owner, writers, labels }: ImportOptions,
  signal: AbortSignal,
): Promise<readonly ImageStatus[]> {
  await using source = await openArchive({ kind: 'path', path }, { signal });
  const node = createLocalNode(store, { name: owner, owner, version: '', writers, labels });
  const [outcome] = await distribute({
    nodes: [{ name: owner, address: '', node }],
    source,
    declaration: directoryRules,
    retries: 0,
    stallTimeoutMs,
    strict: false,
    signal,
    onEvent: () => {},
  });
  signal.throwIfAborted();
  const { images = [], error } = outcome ?? {};
  // Where only some of the images failed, each says why
  if (error !== undefined && images.length === 0) throw error;
  return images;
}
