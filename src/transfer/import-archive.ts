import { errorToWire } from '../agent-api/errors.ts';
import type { ImportEvent } from '../agent-api/events.ts';
import type { Declaration } from '../agent-api/schemas.ts';
import { type ImgctlError, toImgctlError } from '../errors.ts';
import type { Descriptor } from '../image/descriptor.ts';
import type { Digest } from '../image/digest.ts';
import type { SourceBase, SourceImage } from '../image/source.ts';
import { mustHave } from './absent-blobs.ts';
import { Import, type ImportOptions } from './import.ts';

/** Takes the blobs of an archive while it is read front to back; `digest` is absent where the archive does not say it. */
export interface ArchiveSink {
  put(
    blob: { readonly digest?: Digest | undefined; readonly size: number },
    chunks: AsyncIterable<Uint8Array>,
  ): Promise<Digest>;
}

/** What an archive turned out to hold, once it was read. */
export interface ReadArchive {
  /** Of a delta bundle: what has the rest. */
  readonly base?: SourceBase | undefined;
  readonly images: readonly SourceImage[];
  readonly documents: readonly { readonly descriptor: Descriptor; readonly bytes: Uint8Array }[];
}

export interface ArchiveSettings extends Omit<Declaration, 'images' | 'documents' | 'dryRun'> {
  /** Reads the archive once, front to back, handing its blobs to the sink. */
  read(sink: ArchiveSink, signal: AbortSignal): Promise<ReadArchive>;
}

/**
 * Imports a whole archive straight into the store, without a spool: its blobs go in while it is read, and only when
 * its end was reached is it known which images they make. Yields the import's events, the terminal one last.
 */
export async function* importArchive(
  options: ImportOptions,
  { read, ...declaration }: ArchiveSettings,
  signal: AbortSignal,
): AsyncGenerator<ImportEvent, void, undefined> {
  const target = await Import.open(options, declaration);
  let failure: ImgctlError | undefined;
  const reading = readInto(target, read, signal).catch(async (error: unknown) => {
    failure = toImgctlError(error);
    // What filled the disk is of no use to the next try, which would find it full
    await target.leave({ discard: failure.code === 'store_full' });
  });
  try {
    for await (const event of target.events(signal)) {
      yield event.type === 'error' && failure !== undefined
        ? { type: 'error', error: errorToWire(failure) }
        : event;
    }
  } finally {
    await target.leave();
    await reading;
  }
}

async function readInto(target: Import, read: ArchiveSettings['read'], signal: AbortSignal): Promise<void> {
  const sink: ArchiveSink = {
    async put({ digest, size }, chunks) {
      if (digest === undefined) return target.ingest(size, chunks, signal);
      await target.put({ digest, size, offset: 0 }, () => chunks, signal);
      return digest;
    },
  };
  const { images, documents, base } = await read(sink, signal);
  const { missing } = await target.declare(
    {
      images: images.map(({ name, target: descriptor }) => ({ name, target: descriptor })),
      documents: documents.map(({ descriptor, bytes }) => ({
        descriptor,
        data: Buffer.from(bytes).toString('base64'),
      })),
    },
    signal,
  );
  // The archive is read: what is missing now does not come any more
  mustHave({ sizeOf: () => undefined, base }, missing);
}
