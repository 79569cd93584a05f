/**
 * The folder `archive`: any archive as a source of images, and images as an archive (write-archive.ts).
 *
 * `openArchive` detects the compression, reads the tar and finds the images in it: an OCI image layout, what
 * `docker save` writes, or both at once. It promises that every image it gives is whole for one platform at least,
 * that no blob is ever held in memory, that an uncompressed file is read where it lies, and that nothing is left
 * behind however the process ends. Blobs are not verified but for the small documents: whoever stores them does that.
 *
 * It may import tiers 0 and 1 (errors, streams, image), `node:` and libraries; no other folder.
 */

import type { Descriptor } from '../image/descriptor.ts';
import type { Digest } from '../image/digest.ts';
import type { ImageSource, SourceBase, SourceImage } from '../image/source.ts';
import { abortable } from '../streams/abortable.ts';
import { digestOfPath } from './archive-blobs.ts';
import { FilesOnDisk } from './archive-files.ts';
import type { Arrivals } from './arrivals.ts';
import type { Compression } from './compression.ts';
import { type Contents, readContents } from './contents.ts';
import { type ArchiveInput, openInput } from './input.ts';
import { tellingPart } from './lone-part.ts';
import type { VerifyIndex } from './oci-layout.ts';
import type { PositionedFile } from './positioned-file.ts';
import { readBlob } from './read-blob.ts';
import { type ScannedTar, scanFile } from './scan-file.ts';
import { spoolStream } from './spool-stream.ts';
import type { TarIndex } from './tar-index.ts';
import { unpackedSize } from './unpacked-size.ts';

export { combineArchives } from './combine-archives.ts';
export { describeImages, type ImagesDescription } from './describe-images.ts';
export type { ArchiveInput } from './input.ts';

export interface ArchiveOptions {
  /** Where a pipe or a compressed file is spooled; by default the system's temporary directory. */
  readonly spoolDir?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called now and then while spooling, with the bytes written so far. */
  readonly onSpool?: ((bytes: number) => void) | undefined;
  /** The name for the one image that there is, in place of its own. */
  readonly tag?: string | undefined;
  /** `keep` gives images without a name too, for those who only look; by default they are an error. */
  readonly unnamed?: 'refuse' | 'keep' | undefined;
  /** `keep` gives images of which no platform is whole, too: by default they are an error. */
  readonly incomplete?: 'refuse' | 'keep' | undefined;
  /**
   * Is shown index.json and its signature before anything that it names is looked at, and throws where they will not do.
   * Then the images are what the index says, and manifest.json, which is not signed, does not count.
   */
  readonly verifyIndex?: VerifyIndex | undefined;
  /** What is told of the blobs of a pipe as they come, and can read them from then on; it outlives the reading. */
  readonly arrivals?: Arrivals | undefined;
}

export interface Archive extends ImageSource {
  /** What the user calls it: a path, or "standard input". */
  readonly label: string;
  /** Bytes of the tar, uncompressed. */
  readonly bytes: number;
  /** Outermost first; empty for a plain tar. */
  readonly compressions: readonly Compression[];
  /** Whether it was copied to a temporary file. */
  readonly spooled: boolean;
  /** index.json, byte for byte, where there is one. */
  readonly index: Uint8Array | undefined;
  /** What stands beside it as its signature, unverified. */
  readonly signature: Uint8Array | undefined;
  /** Signatures and attestations that stand beside the images in index.json: they are no images. */
  readonly attached: readonly Descriptor[];
  /** Blobs by whose path several members go. */
  twice(): Digest[];
  /** Every blob that names itself by its place, whether an image needs it or not. */
  digests(): Digest[];
}

/**
 * @throws ImgctlError `no_archive`, `archive_empty`, `archive_unreadable`, `archive_truncated`, `archive_no_images`,
 * `archive_unnamed`, `archive_incomplete`, `archive_conflict`, `spool_full`, `usage` (see `tag`), and those that
 * name a document that is wrong
 */
export async function openArchive(input: ArchiveInput, options: ArchiveOptions = {}): Promise<Archive> {
  const { signal, spoolDir, onSpool, arrivals } = options;
  signal?.throwIfAborted();
  await using cleanup = new AsyncDisposableStack();
  const opened = cleanup.use(await openInput(input));
  const inPlace = opened.kind === 'file' && opened.compression === 'none';
  const stream = opened.kind === 'stream' && signal ? abortable(opened.stream, signal) : opened.stream;
  const atLeast = opened.kind === 'file' ? opened.file.size : undefined;
  const scanned = inPlace
    ? { ...(await scanFile(opened.file, signal)), file: opened.file, compressions: [] }
    : await tellingPart(stream, opened.label, (whole) =>
        spoolStream(whole, { label: opened.label, spoolDir, atLeast, signal, onSpool, arrivals }),
      );
  cleanup.use(scanned.file);
  const contents = await interpret(scanned, options);
  return new OpenArchive(scanned, contents, !inPlace, cleanup.move());
}

function interpret(
  { file, index, complete }: ScannedTar & { file: PositionedFile },
  { signal, ...options }: ArchiveOptions,
): Promise<Contents> {
  return readContents(new FilesOnDisk(file, index, signal), { ...options, complete });
}

interface OpenedTar extends Pick<ScannedTar, 'index'> {
  readonly file: PositionedFile;
  readonly compressions: readonly Compression[];
}

class OpenArchive implements Archive {
  readonly label: string;
  readonly bytes: number;
  readonly compressions: readonly Compression[];
  readonly spooled: boolean;
  readonly images: readonly SourceImage[];
  readonly index: Uint8Array | undefined;
  readonly signature: Uint8Array | undefined;
  readonly base: SourceBase | undefined;
  readonly attached: readonly Descriptor[];
  readonly #file: PositionedFile;
  readonly #names: Pick<TarIndex, 'names' | 'twice'>;
  readonly #contents: Contents;
  readonly #resources: AsyncDisposableStack;

  constructor(
    { file, index, compressions }: OpenedTar,
    contents: Contents,
    spooled: boolean,
    resources: AsyncDisposableStack,
  ) {
    this.label = file.label;
    this.bytes = file.size;
    this.compressions = compressions;
    this.spooled = spooled;
    this.images = contents.images;
    const { index: indexBytes, signature, base, attached } = contents.layout;
    this.index = indexBytes;
    this.signature = signature;
    this.base = base;
    this.attached = attached;
    this.#file = file;
    this.#names = index;
    this.#contents = contents;
    this.#resources = resources;
  }

  sizeOf(digest: Digest): number | undefined {
    return this.#contents.blobs.sizeOf(digest);
  }

  digests(): Digest[] {
    return [...new Set([...this.#names.names()].flatMap((name) => digestOfPath(name) ?? []))];
  }

  twice(): Digest[] {
    return [...this.#names.twice()].flatMap((name) => digestOfPath(name) ?? []);
  }

  async unpackedSizeOf(digest: Digest): Promise<number | undefined> {
    const blob = this.#contents.blobs.find(digest);
    return blob === undefined ? undefined : unpackedSize(this.#file, blob);
  }

  read(digest: Digest, offset: number, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    return readBlob(this.#file, this.#contents.blobs.find(digest), { digest, offset, signal });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}
