import { createHash, type Hash } from 'node:crypto';
import { type Digest, digestAlgorithm, digestHex } from '../image/digest.ts';
import { maxDocumentBytes } from '../image/documents.ts';
import type { SourceBlob } from '../image/source.ts';
import { orAborted } from '../streams/or-aborted.ts';
import { digestOfPath } from './archive-blobs.ts';
import type { PositionedFile } from './positioned-file.ts';
import type { Spool } from './spool.ts';
import type { ArchiveFile } from './tar-index.ts';
import { normalize } from './tar-index.ts';
import type { TarEntry, TarEvent } from './tar-parser.ts';

interface Arriving {
  readonly entry: TarEntry;
  readonly digest: Digest;
  readonly hash: Hash;
  left: number;
}

interface Arrived extends SourceBlob {
  readonly file: ArchiveFile;
}

/**
 * The blobs of an archive that is being spooled, as they become whole. Only such that name themselves, as in an OCI
 * image layout, and whose bytes are what the name says: each is hashed as it goes by. Documents are left out: they go
 * with the images that they declare.
 */
export class Arrivals implements AsyncDisposable {
  readonly #label: string;
  readonly #blobs: Arrived[] = [];
  readonly #byDigest = new Map<Digest, Arrived>();
  /** Whole, but perhaps not in the file yet. */
  #unwritten: Arrived[] = [];
  #arriving: Arriving | undefined;
  #spool: Spool | undefined;
  #file: PositionedFile | undefined;
  #ended = false;
  #next = Promise.withResolvers<void>();

  constructor(label: string) {
    this.#label = label;
  }

  /** The spool is read from here on, and disposed of with this. */
  begin(spool: Spool): void {
    this.#spool = spool;
    this.#file = spool.reader(this.#label);
  }

  see(event: TarEvent): void {
    if (event.kind === 'entry') this.#begin(event.entry);
    else if (this.#arriving?.entry === event.entry) this.#take(this.#arriving, event.bytes);
  }

  /** Everything that was seen was appended to the spool. @throws as `Spool.append` */
  async appended(): Promise<void> {
    if (this.#unwritten.length === 0) return;
    await this.#spool?.flush();
    for (const blob of this.#unwritten) {
      this.#blobs.push(blob);
      this.#byDigest.set(blob.digest, blob);
    }
    this.#unwritten = [];
    this.#wake();
  }

  /** No more come. */
  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** As `GrowingSource.arrivals`. */
  async from(first: number, signal?: AbortSignal): Promise<readonly SourceBlob[]> {
    while (this.#blobs.length <= first && !this.#ended) await orAborted(this.#next.promise, signal);
    return this.#blobs.slice(first);
  }

  sizeOf(digest: Digest): number | undefined {
    return this.#byDigest.get(digest)?.size;
  }

  /** Where a blob lies that has arrived. */
  find(digest: Digest): { readonly file: PositionedFile; readonly blob: Arrived } | undefined {
    const blob = this.#byDigest.get(digest);
    return blob === undefined || this.#file === undefined ? undefined : { file: this.#file, blob };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Reads under way come before the descriptor is closed
    await this.#file?.[Symbol.asyncDispose]();
    await this.#spool?.[Symbol.asyncDispose]();
  }

  #begin(entry: TarEntry): void {
    this.#arriving = undefined;
    if (entry.kind !== 'file' || entry.size === 0) return;
    const digest = digestOfPath(normalize(entry.name));
    const isKnown = (known: Arrived) => known.digest === digest;
    if (digest === undefined || this.#byDigest.has(digest) || this.#unwritten.some(isKnown)) return;
    this.#arriving = { entry, digest, hash: createHash(digestAlgorithm(digest)), left: entry.size };
  }

  #take(arriving: Arriving, bytes: Uint8Array): void {
    const { entry, digest, hash } = arriving;
    if (arriving.left === entry.size && entry.size <= maxDocumentBytes && isJson(bytes)) {
      this.#arriving = undefined;
      return;
    }
    hash.update(bytes);
    arriving.left -= bytes.byteLength;
    if (arriving.left > 0) return;
    this.#arriving = undefined;
    if (hash.digest('hex') !== digestHex(digest)) return;
    const { name, position, size } = entry;
    this.#unwritten.push({ digest, size, file: { name, position, size } });
  }

  #wake(): void {
    this.#next.resolve();
    this.#next = Promise.withResolvers();
  }
}

/** No tar and no compression begins so. */
function isJson(start: Uint8Array): boolean {
  return start[0] === 0x7b || start[0] === 0x5b;
}
