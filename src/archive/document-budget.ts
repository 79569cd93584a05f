import { ImgctlError } from '../errors.ts';
import { maxDocumentBytes } from '../image/documents.ts';

const maxTotalBytes = 64 * 1024 * 1024;

/** Bounds the memory that documents take, however many an archive has. */
export class DocumentBudget {
  readonly #label: string;
  #left = maxTotalBytes;

  constructor(label: string) {
    this.#label = label;
  }

  /** Call before a document is held. @throws ImgctlError `document_too_large`, `archive_too_large` */
  take(file: { readonly name: string; readonly size: number }): void {
    if (file.size > maxDocumentBytes) throw tooLarge(file, this.#label);
    this.#left -= file.size;
    if (this.#left >= 0) return;
    throw new ImgctlError(
      'archive_too_large',
      `${this.#label}: its indexes, manifests and configs have more than ${maxTotalBytes} bytes`,
      {
        hint: 'Split the archive into several: imgctl images import takes any number of them.',
        context: { path: this.#label },
      },
    );
  }
}

/** Stops a compression bomb in place of index.json or manifest.json before it fills the disk. */
export function refuseLargeDocument(
  file: { readonly name: string; readonly size: number },
  label: string,
): void {
  if (file.size > maxDocumentBytes && /^(?:\.?\/)?(?:index|manifest)\.json$/.test(file.name))
    throw tooLarge(file, label);
}

function tooLarge({ name, size }: { name: string; size: number }, label: string): ImgctlError {
  return new ImgctlError(
    'document_too_large',
    `${label}: ${name} is an index, manifest or config and has ${size} bytes`,
    {
      hint: `Documents of up to ${maxDocumentBytes} bytes are read: no image tool writes larger ones.`,
      context: { path: label },
    },
  );
}
