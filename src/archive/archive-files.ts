import { createHash } from 'node:crypto';
import type { Digest } from '../image/digest.ts';
import { type Compression, detectCompression, magicBytes } from './compression.ts';
import { DocumentBudget } from './document-budget.ts';
import type { PositionedFile } from './positioned-file.ts';
import type { ArchiveFile, TarIndex } from './tar-index.ts';

/**
 * The files of an archive, as what interprets them sees them: it need not know whether the archive lies on disk
 * or has flown by.
 */
export interface ArchiveFiles {
  /** What the user calls the archive. */
  readonly label: string;
  names(): Iterable<string>;
  /** Names that several members have: the last one counts here, and another tool may take the first. */
  twice(): ReadonlySet<string>;
  /** Links followed; undefined where there is none. @throws ImgctlError `archive_incomplete`, `archive_unreadable` for links that lead nowhere */
  find(name: string): ArchiveFile | undefined;
  /** A whole small file. @throws ImgctlError `document_too_large`, `archive_too_large` */
  read(file: ArchiveFile): Promise<Uint8Array>;
  compressionOf(file: ArchiveFile): Promise<Compression>;
  /**
   * The sha256 of a file's bytes. `assumed` is believed where finding out would cost reading the file: whoever
   * stores the blob verifies it. @throws ImgctlError `digest_mismatch` where it is known to be wrong
   */
  digestOf(file: ArchiveFile, assumed?: Digest): Promise<Digest>;
}

/** An archive that can be read at any place, as often as needed. */
export class FilesOnDisk implements ArchiveFiles {
  readonly label: string;
  readonly #file: PositionedFile;
  readonly #index: TarIndex;
  readonly #signal: AbortSignal | undefined;
  readonly #budget: DocumentBudget;

  constructor(file: PositionedFile, index: TarIndex, signal?: AbortSignal) {
    this.label = file.label;
    this.#file = file;
    this.#index = index;
    this.#signal = signal;
    this.#budget = new DocumentBudget(file.label);
  }

  names(): Iterable<string> {
    return this.#index.names();
  }

  twice(): ReadonlySet<string> {
    return this.#index.twice();
  }

  find(name: string): ArchiveFile | undefined {
    return this.#index.find(name);
  }

  async read(file: ArchiveFile): Promise<Uint8Array> {
    this.#budget.take(file);
    return Buffer.concat(await Array.fromAsync(this.#file.chunks(file.position, file.size, this.#signal)));
  }

  async compressionOf(file: ArchiveFile): Promise<Compression> {
    const start = Buffer.alloc(Math.min(magicBytes, file.size));
    await this.#file.readInto(start, file.position);
    return detectCompression(start);
  }

  async digestOf(file: ArchiveFile, assumed?: Digest): Promise<Digest> {
    if (assumed !== undefined) return assumed;
    const hash = createHash('sha256');
    for await (const chunk of this.#file.chunks(file.position, file.size, this.#signal)) hash.update(chunk);
    return `sha256:${hash.digest('hex')}` as Digest;
  }
}
