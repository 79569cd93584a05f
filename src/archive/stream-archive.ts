import type { Digest } from '../image/digest.ts';
import { maxDocumentBytes } from '../image/documents.ts';
import type { SourceBase, SourceImage } from '../image/source.ts';
import { abortable } from '../streams/abortable.ts';
import { peek } from '../streams/peek.ts';
import { digestOfPath, type HeldDocument } from './archive-blobs.ts';
import { type Compression, detectCompression, magicBytes } from './compression.ts';
import { readContents } from './contents.ts';
import { decompress } from './decompress.ts';
import type { VerifyIndex } from './oci-layout.ts';
import { beginsAsJson, StreamedFiles } from './streamed-files.ts';
import { type StreamedEntry, StreamedTar } from './streamed-tar.ts';
import { normalize } from './tar-index.ts';
import type { TarEntry } from './tar-parser.ts';

/** Where the blobs of an archive go while it flows by. */
export interface ArchiveSink {
  /**
   * Stores a blob and returns its digest. With `digest`, what was stored must be verified against it and `size`;
   * without, the sink finds it out. It need not read `chunks` to their end, or at all, if it has the blob.
   */
  put(
    blob: { readonly digest?: Digest | undefined; readonly size: number },
    chunks: AsyncIterable<Uint8Array>,
  ): Promise<Digest>;
}

export interface StreamOptions {
  /** What to call the archive in messages. */
  readonly label?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The name for the one image that there is, in place of its own. */
  readonly tag?: string | undefined;
  readonly unnamed?: 'refuse' | 'keep' | undefined;
  /** As `ArchiveOptions` has it; but the blobs have gone to the sink by then. */
  readonly verifyIndex?: VerifyIndex | undefined;
}

export interface StreamedArchive {
  /** Of a delta bundle: what has the layers that are not in it. */
  readonly base: SourceBase | undefined;
  readonly images: readonly SourceImage[];
  /** Configs and manifests of docker-save archives, which went to no sink: they are still to be stored. */
  readonly documents: readonly HeldDocument[];
  /** Outermost first; empty for a plain tar. */
  readonly compressions: readonly Compression[];
  /** Bytes of the tar, uncompressed. */
  readonly bytes: number;
}

/**
 * Reads an archive once, front to back, without a copy on disk: blobs go to `sink` one after the other as they come,
 * and what they mean is known at the end. An archive that is cut off or damaged gives no image at all.
 * @throws ImgctlError as `openArchive`, and whatever the sink throws
 */
export async function importArchiveStream(
  input: AsyncIterable<Uint8Array>,
  sink: ArchiveSink,
  { label = 'the archive', signal, tag, unnamed, verifyIndex }: StreamOptions = {},
): Promise<StreamedArchive> {
  const { stream, compressions } = await decompress(signal ? abortable(input, signal) : input, label);
  const tar = new StreamedTar(stream, label);
  const files = new StreamedFiles(label);
  for await (const streamed of tar.entries()) {
    signal?.throwIfAborted();
    files.add(streamed.entry);
    if (streamed.entry.kind === 'file') await receive(streamed, files, sink);
  }
  const { images, blobs, layout } = await readContents(files, {
    tag,
    unnamed,
    verifyIndex,
    complete: tar.complete,
  });
  return { base: layout.base, images, documents: blobs.documents, compressions, bytes: tar.position };
}

async function receive(
  { entry, body }: StreamedEntry,
  files: StreamedFiles,
  sink: ArchiveSink,
): Promise<void> {
  const digest = digestOfPath(normalize(entry.name));
  const { start, stream } = await peek(body, magicBytes);
  if (entry.size <= maxDocumentBytes && (isText(start) || isSmallKnown(entry))) {
    const bytes = Buffer.concat(await Array.fromAsync(stream, (chunk) => Buffer.from(chunk)));
    if (digest === undefined) files.keep(entry, bytes);
    else {
      if (isDocument(bytes)) files.keep(entry, bytes);
      await sink.put({ digest, size: entry.size }, once(bytes));
    }
    return;
  }
  const stored = await sink.put({ digest, size: entry.size }, stream);
  files.stored(entry, stored, detectCompression(start));
}

function isText(start: Uint8Array): boolean {
  return start.byteLength === 0 || beginsAsJson(start);
}

/** `VERSION` and the like, which docker save writes beside each layer, are no blobs. */
function isSmallKnown({ name, size }: TarEntry): boolean {
  return size <= 65536 && /(?:^|\/)(?:VERSION|oci-layout|repositories|index\.json\.minisig)$/.test(name);
}

/** Indexes, manifests and configs are held; other JSON, such as attestations of many megabytes, is only stored. */
function isDocument(bytes: Buffer): boolean {
  return ['"manifests"', '"layers"', '"rootfs"'].some((key) => bytes.includes(key));
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
