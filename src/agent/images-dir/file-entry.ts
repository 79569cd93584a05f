import { errorToWire, type WireError } from '../../agent-api/errors.ts';
import type { DirectoryFile, DirectoryFileState, DirectoryImage } from '../../agent-api/schemas.ts';
import { type ImgctlError, printable } from '../../errors.ts';
import { Limiter } from '../../streams/limiter.ts';
import type { FoundFile } from './found-file.ts';

/** A file of the directory, and what has become of it. */
export class FileEntry {
  file: FoundFile;
  state: DirectoryFileState = 'arriving';
  error: ImgctlError | undefined;
  /** When it came to this state. */
  since = new Date();
  /** Tries it again; cleared when it changes. */
  retry: NodeJS.Timeout | undefined;
  /** It was deleted; what is under way with it goes on to its end. */
  gone = false;
  /** Nobody writes to it any more, as far as can be told: then alone it is read. */
  whole = false;
  /** Paths of the parts of the bundle that it stands for: what becomes of it becomes of them. */
  parts: readonly string[] = [];
  /** Whatever is done with the file is done one after the other. */
  readonly turn = new Limiter(1);
  readonly #images = new Map<string, DirectoryImage>();

  constructor(file: FoundFile) {
    this.file = file;
  }

  get images(): readonly DirectoryImage[] {
    return [...this.#images.values()];
  }

  get failed(): boolean {
    return this.errors.length > 0;
  }

  get errors(): readonly WireError[] {
    const own = this.error === undefined ? [] : [errorToWire(this.error)];
    return [...own, ...this.images.flatMap(({ error }) => error ?? [])];
  }

  get outcome(): 'ready' | 'partial' | 'failed' {
    if (!this.failed) return 'ready';
    return this.images.some(({ state }) => state === 'ready') ? 'partial' : 'failed';
  }

  become(state: DirectoryFileState): void {
    this.state = state;
    this.since = new Date();
  }

  /** Its images are to be found out anew. */
  begin(): void {
    clearTimeout(this.retry);
    this.become('importing');
    this.error = undefined;
    this.parts = [];
    this.#images.clear();
  }

  set(image: DirectoryImage): void {
    this.#images.set(image.name, image);
  }

  /** For the log. */
  summary() {
    const [error] = this.errors;
    return {
      file: printable(this.file.path),
      outcome: this.outcome,
      images: this.images.map(({ error, ...image }) => ({ ...image, ...(error && { error: error.code }) })),
      ...(error === undefined ? {} : { code: error.code, message: printable(error.message) }),
    };
  }

  describe(): DirectoryFile {
    const { file, state, since, images, error } = this;
    return {
      path: file.path,
      kind: file.kind,
      size: file.identity.size,
      state,
      since: since.toISOString(),
      images: [...images],
      ...(error === undefined ? {} : { error: errorToWire(error) }),
    };
  }
}
