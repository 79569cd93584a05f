import type { Digest } from '../image/digest.ts';
import type { BlobSource } from '../image/source.ts';

/** What layers unpack to, in bytes, asked of the source once for all nodes. */
export class UnpackedSizes {
  readonly #source: BlobSource;
  readonly #sizes = new Map<Digest, Promise<number | undefined>>();

  constructor(source: BlobSource) {
    this.#source = source;
  }

  /** At least this much; `size`, that of the blob, where the source cannot tell. */
  async of(digest: Digest, size: number): Promise<number> {
    let known = this.#sizes.get(digest);
    if (known === undefined) {
      // A source that cannot be read says so when the blob is sent
      known = Promise.resolve(this.#source.unpackedSizeOf?.(digest)).catch(() => undefined);
      this.#sizes.set(digest, known);
    }
    return (await known) ?? size;
  }
}
