import type { Descriptor } from '../../image/descriptor.ts';
import type { Digest } from '../../image/digest.ts';
import { digestReference, isReference, parseReference } from '../../image/reference.ts';
import type { Claim, Holdings, ImageRecord, Lease, RetainedChildren, WriteOptions } from '../store.ts';
import { HeldLease } from './held-lease.ts';
import { ingestBlob } from './ingest-blob.ts';
import type { Layout } from './layout.ts';
import { nameImages } from './name-images.ts';
import { blobUnknown } from './store-errors.ts';
import { writeBlob } from './write-blob.ts';

export class LayoutLease implements Lease {
  readonly #layout: Layout;
  readonly #held: HeldLease;
  readonly #onEnd: () => void;
  readonly #writes = new Set<Promise<unknown>>();
  #end: Promise<void> | undefined;

  constructor(layout: Layout, owner: string, onEnd: () => void) {
    this.#layout = layout;
    this.#held = new HeldLease(layout, owner);
    this.#onEnd = onEnd;
  }

  async claim({ blobs }: Claim, signal?: AbortSignal): Promise<Holdings> {
    signal?.throwIfAborted();
    await this.#held.adopt(blobs, signal);
    const partials = new Map<Digest, number>();
    for (const file of await this.#layout.ingests.list()) {
      if (file.digest !== undefined) partials.set(file.digest, await this.#layout.ingests.sizeOf(file));
    }
    const whole = new Set<Digest>();
    const partial = new Map<Digest, number>();
    for (const { digest, size } of blobs) {
      const held = partials.get(digest) ?? 0;
      // One of another size is either damaged or lied about: writing it tells which
      if ((await this.#layout.blobs.sizeOf(digest)) === size) whole.add(digest);
      else if (held > 0 && held <= size) partial.set(digest, held);
    }
    return { whole, partial, unpacked: new Set() };
  }

  async write(
    blob: Descriptor,
    offset: number,
    chunks: AsyncIterable<Uint8Array>,
    options: WriteOptions = {},
  ): Promise<void> {
    await this.#working(options, async (signal) => {
      await this.#held.hold([blob]);
      await writeBlob(this.#layout, blob, offset, chunks, { ...options, signal });
    });
  }

  ingest(size: number, chunks: AsyncIterable<Uint8Array>, options: WriteOptions = {}): Promise<Digest> {
    return this.#working(options, (signal) =>
      ingestBlob(this.#layout, this.#held, size, chunks, { ...options, signal }),
    );
  }

  /** The end of the lease breaks its writes off, and waits for them: their files must be at rest when it goes. */
  async #working<T>({ signal }: WriteOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.#held.signal.throwIfAborted();
    signal?.throwIfAborted();
    const working = work(
      signal === undefined ? this.#held.signal : AbortSignal.any([signal, this.#held.signal]),
    );
    this.#writes.add(working);
    try {
      return await working;
    } finally {
      this.#writes.delete(working);
    }
  }

  /** A layout's documents say themselves what they keep: nothing is to be noted. */
  async retain(parent: Descriptor, _children: RetainedChildren, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if ((await this.#layout.blobs.sizeOf(parent.digest)) === undefined) throw blobUnknown(parent.digest);
  }

  async nameImage(image: ImageRecord, signal?: AbortSignal): Promise<void> {
    this.#held.signal.throwIfAborted();
    const names = [image.name];
    if (isReference(image.name)) names.push(digestReference(parseReference(image.name), image.target.digest));
    await nameImages(this.#layout, image, names, signal);
  }

  release(): Promise<void> {
    return this.#finish('released');
  }

  leave(): Promise<void> {
    return this.#finish('left');
  }

  /** Starts its hour anew, for the case that this process dies. */
  renew(): Promise<void> {
    return this.#held.renew();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.leave();
  }

  #finish(how: 'released' | 'left'): Promise<void> {
    this.#end ??= this.#stop(how);
    return this.#end;
  }

  async #stop(how: 'released' | 'left'): Promise<void> {
    this.#held.close();
    await Promise.allSettled(this.#writes);
    this.#onEnd();
    await this.#held.end(how);
  }
}
