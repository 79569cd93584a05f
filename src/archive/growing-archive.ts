import { ImgctlError } from '../errors.ts';
import type { Digest } from '../image/digest.ts';
import type { GrowingSource, SourceBase, SourceBlob, SourceImage } from '../image/source.ts';
import { type Archive, type ArchiveOptions, openArchive } from './archive.ts';
import { Arrivals } from './arrivals.ts';
import type { ArchiveInput } from './input.ts';
import { readBlob } from './read-blob.ts';

type StreamInput = Extract<ArchiveInput, { kind: 'stream' }>;

/**
 * A pipe as a source whose blobs can be had while it is still being read. The reading begins at once, and is no faster
 * or slower for what is had of it. Disposing of it ends the reading.
 */
export function openGrowingArchive(input: StreamInput, options: ArchiveOptions = {}): GrowingSource {
  return new GrowingArchive(input, options);
}

class GrowingArchive implements GrowingSource {
  readonly whole: Promise<void>;
  readonly #label: string;
  readonly #arrivals: Arrivals;
  readonly #stop = new AbortController();
  #archive: Archive | undefined;

  constructor(input: StreamInput, options: ArchiveOptions) {
    this.#label = input.label;
    this.#arrivals = new Arrivals(input.label);
    this.whole = this.#read(input, options);
    // Whoever waits for it hears of it
    this.whole.catch(() => undefined);
  }

  get images(): readonly SourceImage[] {
    return this.#archive?.images ?? [];
  }

  get base(): SourceBase | undefined {
    return this.#archive?.base;
  }

  arrivals(from: number, signal?: AbortSignal): Promise<readonly SourceBlob[]> {
    return this.#arrivals.from(from, signal);
  }

  sizeOf(digest: Digest): number | undefined {
    return this.#arrivals.sizeOf(digest) ?? this.#archive?.sizeOf(digest);
  }

  async unpackedSizeOf(digest: Digest): Promise<number | undefined> {
    return this.#archive?.unpackedSizeOf?.(digest);
  }

  read(digest: Digest, offset: number, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const arrived = this.#arrivals.find(digest);
    if (arrived !== undefined) return readBlob(arrived.file, arrived.blob, { digest, offset, signal });
    if (this.#archive !== undefined) return this.#archive.read(digest, offset, signal);
    throw new ImgctlError('blob_unknown', `${digest} has not come from ${this.#label} yet`, {
      context: { path: this.#label, digest },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new ImgctlError('interrupted', `${this.#label} is not read to its end`));
    await this.whole.catch(() => undefined);
    await this.#arrivals[Symbol.asyncDispose]();
    await this.#archive?.[Symbol.asyncDispose]();
  }

  async #read(input: StreamInput, options: ArchiveOptions): Promise<void> {
    const { signal } = options;
    const stop = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal]);
    try {
      this.#archive = await openArchive(input, { ...options, signal: stop, arrivals: this.#arrivals });
    } finally {
      this.#arrivals.end();
    }
  }
}
