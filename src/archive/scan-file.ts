import { truncated } from './archive-errors.ts';
import type { PositionedFile } from './positioned-file.ts';
import { TarIndex } from './tar-index.ts';
import { TarParser } from './tar-parser.ts';

/** A tar's files, and whether the marker that ends an archive was there (a cut at the edge of a file loses it). */
export interface ScannedTar {
  readonly index: TarIndex;
  readonly complete: boolean;
}

/** What is read after a seek, in bytes; doubled while nothing is skipped, so that tiny files cost few reads. */
const firstRead = 1024;
const largestRead = 256 * 1024;

/**
 * Indexes an uncompressed tar on disk by its headers alone, seeking over the bodies.
 * @throws ImgctlError `archive_empty`, `archive_truncated`, `archive_unreadable`, `archive_too_large`
 */
export async function scanFile(file: PositionedFile, signal?: AbortSignal): Promise<ScannedTar> {
  const parser = new TarParser(file.label);
  const index = new TarIndex(file.label);
  let readBytes = firstRead;
  while (!parser.ended && parser.position < file.size) {
    signal?.throwIfAborted();
    const buffer = Buffer.allocUnsafe(Math.min(readBytes, file.size - parser.position));
    const bytes = await file.readInto(buffer, parser.position);
    if (bytes < buffer.byteLength) throw truncated(file.label, 'it became shorter while it was read');
    for (const event of parser.push(buffer)) if (event.kind === 'entry') index.add(event.entry);
    const skippable = Math.min(parser.skippable, file.size - parser.position);
    readBytes = skippable > readBytes ? firstRead : Math.min(readBytes * 2, largestRead);
    parser.skip(skippable);
  }
  parser.end();
  return { index, complete: parser.ended };
}
