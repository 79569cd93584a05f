import { ImgctlError } from '../errors.ts';
import { type Digest, digestOf } from '../image/digest.ts';
import { maxDocumentBytes } from '../image/documents.ts';
import { unreadable } from './archive-errors.ts';
import type { ArchiveFiles } from './archive-files.ts';
import type { Compression } from './compression.ts';
import { DocumentBudget } from './document-budget.ts';
import { type ArchiveFile, TarIndex } from './tar-index.ts';
import type { TarEntry } from './tar-parser.ts';

/** What is remembered of a file that flowed by: its bytes, or what became of them. */
type Remembered =
  | { readonly kind: 'kept'; readonly bytes: Uint8Array }
  | { readonly kind: 'stored'; readonly digest: Digest; readonly compression: Compression };

/** The files of an archive that has flown by: the small ones are held, the others were stored under their digests. */
export class StreamedFiles implements ArchiveFiles {
  readonly label: string;
  readonly #index: TarIndex;
  readonly #budget: DocumentBudget;
  /** By position: names may come twice. */
  readonly #remembered = new Map<number, Remembered>();

  constructor(label: string) {
    this.label = label;
    this.#index = new TarIndex(label);
    this.#budget = new DocumentBudget(label);
  }

  /** @throws ImgctlError `archive_too_large` */
  add(entry: TarEntry): void {
    this.#index.add(entry);
  }

  /** @throws ImgctlError `document_too_large`, `archive_too_large` */
  keep(entry: TarEntry, bytes: Uint8Array): void {
    this.#budget.take(entry);
    this.#remembered.set(entry.position, { kind: 'kept', bytes });
  }

  stored(entry: TarEntry, digest: Digest, compression: Compression): void {
    this.#remembered.set(entry.position, { kind: 'stored', digest, compression });
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
    const found = this.#remembered.get(file.position);
    if (found?.kind === 'kept') return found.bytes;
    if (file.size > maxDocumentBytes) this.#budget.take(file);
    throw unreadable(this.label, `${file.name} is not the JSON document that it should be`);
  }

  async compressionOf(file: ArchiveFile): Promise<Compression> {
    const found = this.#remembered.get(file.position);
    return found?.kind === 'stored' ? found.compression : 'none';
  }

  async digestOf(file: ArchiveFile, assumed?: Digest): Promise<Digest> {
    const found = this.#remembered.get(file.position);
    if (found === undefined) throw unreadable(this.label, `${file.name} was not stored`);
    const digest = found.kind === 'stored' ? found.digest : digestOf(found.bytes);
    if (assumed === undefined || assumed === digest) return digest;
    throw new ImgctlError(
      'digest_mismatch',
      `${this.label}: the layer ${file.name} has the digest ${digest}, its config says ${assumed}`,
      {
        hint: 'The archive was damaged: copy it again, or save the image again.',
        context: { path: this.label, digest: assumed },
      },
    );
  }
}

/** JSON begins with a brace or bracket; no tar and no compression does. */
export function beginsAsJson(start: Uint8Array): boolean {
  return /^\s*[{[]/.test(Buffer.from(start).toString('latin1'));
}
