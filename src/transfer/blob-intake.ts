import type { WantedBlob } from '../agent-api/import-node.ts';
import type { FetchResult, PutResult } from '../agent-api/schemas.ts';
import { hasCode, ImgctlError } from '../errors.ts';
import type { Descriptor } from '../image/descriptor.ts';
import type { Digest } from '../image/digest.ts';
import type { Lease } from '../store/store.ts';
import type { BlobWriters } from './blob-writers.ts';
import type { DeclaredImages } from './declared-images.ts';
import { fetchBlob } from './fetch/fetch-blob.ts';
import type { Peers } from './fetch/peers.ts';
import type { ImportContent } from './import-content.ts';
import { type Receiving, receiveBlob } from './receive-blob.ts';

export interface BlobIntakeOptions {
  readonly lease: Lease;
  readonly writers: BlobWriters;
  readonly peers?: Peers | undefined;
  readonly images: Pick<DeclaredImages, 'needed'>;
  readonly content: ImportContent;
  /** The import ends. */
  readonly stop: AbortSignal;
  onProgress(digest: Digest, offset: number, size: number): void;
  onArrived(digest: Digest, signal: AbortSignal): Promise<void>;
  committing<T>(work: () => Promise<T>): Promise<T>;
}

/** The ways in which blobs come into an import: sent, fetched from peers, or without a name as yet. */
export class BlobIntake {
  readonly #options: BlobIntakeOptions;
  /** All that peers sent, wanted or not. */
  bytesFromPeers = 0;

  constructor(options: BlobIntakeOptions) {
    this.#options = options;
  }

  async put(
    { digest, offset, size }: { readonly digest: Digest; readonly offset: number; readonly size: number },
    body: () => AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<PutResult> {
    const stopping = this.#untilStopped(signal);
    const received = await this.#receive(this.#descriptor(digest, size), { offset, body, signal: stopping });
    await this.#options.onArrived(digest, stopping);
    return { received, relay: [] };
  }

  async fetch(blob: WantedBlob, from: readonly string[], signal?: AbortSignal): Promise<FetchResult> {
    const { peers, onArrived } = this.#options;
    if (peers === undefined)
      throw new ImgctlError('request_invalid', 'blobs are not fetched from peers here');
    const stopping = this.#untilStopped(signal);
    const descriptor = this.#descriptor(blob.digest, blob.size);
    const result = await fetchBlob({
      descriptor,
      from,
      peers,
      signal: stopping,
      onBytes: (bytes) => {
        this.bytesFromPeers += bytes;
      },
      receive: (body) => this.#receive(descriptor, { body, signal: stopping }),
    });
    await onArrived(blob.digest, stopping);
    return result;
  }

  async ingest(size: number, chunks: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<Digest> {
    const stopping = this.#untilStopped(signal);
    const digest = await this.#options.lease.ingest(size, chunks, { signal: stopping });
    await this.#options.onArrived(digest, stopping);
    return digest;
  }

  async #receive(
    descriptor: Descriptor,
    body: Pick<Receiving, 'offset' | 'body' | 'signal'>,
  ): Promise<number> {
    const { lease, writers, images, content, committing, onProgress } = this.#options;
    const { digest } = descriptor;
    try {
      return await receiveBlob({
        ...body,
        lease,
        writers,
        descriptor,
        repositories: images.needed(digest)?.repositories,
        onProgress: (offset, size) => {
          content.partial.set(digest, offset);
          onProgress(digest, offset, size);
        },
        committing,
      });
    } catch (error) {
      // What did not verify is gone, and whoever asks where to begin must hear of it
      if (hasCode(error, 'digest_mismatch', 'size_mismatch')) content.partial.delete(digest);
      throw error;
    }
  }

  #descriptor(digest: Digest, size: number | undefined): Descriptor {
    const needed = this.#options.images.needed(digest)?.descriptor;
    if (needed !== undefined) return needed;
    if (size !== undefined) return { mediaType: '', digest, size };
    throw new ImgctlError('request_invalid', `this import does not know the size of ${digest}`, {
      hint: 'Say it: "size" in bytes.',
      context: { digest },
    });
  }

  #untilStopped(signal: AbortSignal | undefined): AbortSignal {
    const { stop } = this.#options;
    return signal === undefined ? stop : AbortSignal.any([signal, stop]);
  }
}
