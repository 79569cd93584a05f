import type { Arrivals } from './arrivals.ts';
import type { Compression } from './compression.ts';
import { decompress } from './decompress.ts';
import { refuseLargeDocument } from './document-budget.ts';
import type { PositionedFile } from './positioned-file.ts';
import type { ScannedTar } from './scan-file.ts';
import { Spool } from './spool.ts';
import { TarIndex } from './tar-index.ts';
import { TarParser } from './tar-parser.ts';

export interface SpoolOptions {
  readonly label: string;
  readonly spoolDir?: string | undefined;
  /** Bytes that the archive has at least, where that is known. */
  readonly atLeast?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with the bytes spooled so far. */
  readonly onSpool?: ((bytes: number) => void) | undefined;
  /** Sees everything that goes by, and owns the spool until it is finished. */
  readonly arrivals?: Arrivals | undefined;
}

/**
 * Writes a stream, decompressed, to a nameless temporary file, and indexes the tar in it on the way.
 * Reads the input to its end also after the tar's: the checksum of a compression stands there, and a writer
 * of a pipe would otherwise die of SIGPIPE.
 * @throws ImgctlError `spool_full` and those of reading a tar
 */
export async function spoolStream(
  input: AsyncIterable<Uint8Array>,
  { label, spoolDir, atLeast, signal, onSpool, arrivals }: SpoolOptions,
): Promise<ScannedTar & { file: PositionedFile; compressions: Compression[] }> {
  await using cleanup = new AsyncDisposableStack();
  const spool = await Spool.open(spoolDir, atLeast);
  if (arrivals === undefined) cleanup.use(spool);
  else arrivals.begin(spool);
  const { stream, compressions } = await decompress(input, label);
  const parser = new TarParser(label);
  const index = new TarIndex(label);
  for await (const chunk of stream) {
    signal?.throwIfAborted();
    if (parser.ended) continue;
    for (const event of parser.push(chunk)) {
      arrivals?.see(event);
      if (event.kind !== 'entry') continue;
      refuseLargeDocument(event.entry, label);
      index.add(event.entry);
    }
    await spool.append(chunk);
    await arrivals?.appended();
    onSpool?.(spool.size);
  }
  parser.end();
  return { file: await spool.finish(label), compressions, index, complete: parser.ended };
}
