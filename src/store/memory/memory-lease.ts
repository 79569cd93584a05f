import { createHash } from 'node:crypto';
import { ImgctlError } from '../../errors.ts';
import type { Descriptor } from '../../image/descriptor.ts';
import { type Digest, digestAlgorithm, parseDigest } from '../../image/digest.ts';
import { digestReference, isReference, parseReference } from '../../image/reference.ts';
import { abortable } from '../../streams/abortable.ts';
import type {
  Claim,
  Holdings,
  ImageRecord,
  Lease,
  RetainedChildren,
  Unpacker,
  WriteOptions,
} from '../store.ts';
import type { Faults } from './faults.ts';
import type { LeaseRecord, MemoryState, Partial } from './memory-state.ts';
import { MemoryUnpacker } from './memory-unpacker.ts';

export interface MemoryLeaseOptions {
  readonly faults?: Faults | undefined;
  readonly unpacks?: boolean | undefined;
}

export class MemoryLease implements Lease {
  readonly unpacker?: Unpacker;
  readonly #state: MemoryState;
  readonly #faults: Faults;
  readonly #record: LeaseRecord;

  constructor(state: MemoryState, { faults = {}, unpacks = true }: MemoryLeaseOptions, owner: string) {
    this.#state = state;
    this.#faults = faults;
    this.#record = { owner, blobs: new Set(), chainIds: new Set(), expiresAt: undefined };
    state.leases.add(this.#record);
    if (unpacks) this.unpacker = new MemoryUnpacker(state, faults, this.#record);
  }

  async claim({ blobs, chainIds = [] }: Claim, signal?: AbortSignal): Promise<Holdings> {
    signal?.throwIfAborted();
    this.#mustBeOpen();
    this.#state.collect();
    this.#adopt(
      blobs.map(({ digest }) => digest),
      chainIds,
    );
    const partial = blobs.flatMap(({ digest, size }) => {
      const held = this.#state.partials.get(digest)?.size ?? 0;
      return held > 0 && held <= size ? [[digest, held] as const] : [];
    });
    return {
      whole: new Set(blobs.map(({ digest }) => digest).filter((digest) => this.#state.blobs.has(digest))),
      partial: new Map(partial),
      unpacked: new Set(chainIds.filter((chainId) => this.#state.snapshots.has(chainId))),
    };
  }

  /** What is claimed moves here from leases that the same owner left: released by this one, nothing keeps it. */
  #adopt(blobs: readonly Digest[], chainIds: readonly Digest[]): void {
    const left = [...this.#state.leases].filter(
      ({ owner, expiresAt }) => owner === this.#record.owner && expiresAt !== undefined,
    );
    for (const digest of blobs) {
      this.#record.blobs.add(digest);
      for (const lease of left) lease.blobs.delete(digest);
    }
    for (const chainId of chainIds) {
      this.#record.chainIds.add(chainId);
      for (const lease of left) lease.chainIds.delete(chainId);
    }
  }

  async write(
    blob: Descriptor,
    offset: number,
    chunks: AsyncIterable<Uint8Array>,
    options: WriteOptions = {},
  ): Promise<void> {
    const { digest, size } = blob;
    this.#mustBeOpen();
    this.#record.blobs.add(digest);
    using _turn = await this.#state.takeTurn(digest, options.signal);
    options.signal?.throwIfAborted();
    const whole = this.#state.blobs.get(digest)?.byteLength;
    if (whole === size) return;
    if (whole !== undefined) throw sizeMismatch(blob, whole);
    if ((this.#state.partials.get(digest)?.size ?? 0) > size) this.#state.partials.delete(digest);
    const held = this.#state.partials.get(digest)?.size ?? 0;
    if (held !== offset) throw offsetMismatch(blob, offset, held);

    const partial = this.#state.partials.get(digest) ?? this.#state.startPartial(digest);
    try {
      await this.#receive(blob, partial, chunks, options);
      const actual = parseDigest(`${digestAlgorithm(digest)}:${partial.hash.copy().digest('hex')}`);
      if (actual !== digest) throw digestMismatch(blob, actual);
      this.#state.blobs.set(digest, Buffer.concat(partial.chunks, partial.size));
      this.#state.partials.delete(digest);
    } catch (error) {
      const damaged =
        error instanceof ImgctlError && (error.code === 'digest_mismatch' || error.code === 'size_mismatch');
      if (damaged || partial.size === 0) this.#state.partials.delete(digest);
      throw error;
    }
  }

  async ingest(size: number, chunks: AsyncIterable<Uint8Array>, options: WriteOptions = {}): Promise<Digest> {
    this.#mustBeOpen();
    const partial: Partial = { chunks: [], hash: createHash('sha256'), size: 0 };
    const unnamed = { mediaType: '', digest: '' as Digest, size };
    this.#state.ingests.add(partial);
    try {
      await this.#receive(unnamed, partial, chunks, options);
    } finally {
      this.#state.ingests.delete(partial);
    }
    const digest = parseDigest(`sha256:${partial.hash.digest('hex')}`);
    this.#record.blobs.add(digest);
    this.#state.blobs.set(digest, Buffer.concat(partial.chunks, partial.size));
    this.#state.partials.delete(digest);
    return digest;
  }

  async #receive(
    blob: Descriptor,
    partial: Partial,
    chunks: AsyncIterable<Uint8Array>,
    { signal, onProgress }: WriteOptions,
  ): Promise<void> {
    for await (const chunk of abortable(chunks, signal)) {
      await this.#faults.write?.(blob, partial.size);
      signal?.throwIfAborted();
      this.#mustBeOpen();
      if (partial.size + chunk.byteLength > blob.size)
        throw sizeMismatch(blob, partial.size + chunk.byteLength);
      if (chunk.byteLength > (this.#state.freeBytes ?? Number.POSITIVE_INFINITY)) throw full(blob);
      partial.chunks.push(chunk);
      partial.hash.update(chunk);
      partial.size += chunk.byteLength;
      onProgress?.(partial.size);
    }
    if (partial.size < blob.size) throw sizeMismatch(blob, partial.size);
  }

  async retain(parent: Descriptor, children: RetainedChildren, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.#mustBeOpen();
    this.#state.wholeBlob(parent.digest);
    const { manifests = [], config, layers = [] } = children;
    const kept = this.#state.children.get(parent.digest) ?? new Set();
    for (const { digest } of [...manifests, ...(config === undefined ? [] : [config]), ...layers])
      kept.add(digest);
    this.#state.children.set(parent.digest, kept);
  }

  async nameImage(image: ImageRecord, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.#mustBeOpen();
    await this.#faults.name?.(image);
    this.#state.name(image);
    if (!isReference(image.name)) return;
    const name = digestReference(parseReference(image.name), image.target.digest);
    this.#state.name({ ...image, name });
  }

  async release(): Promise<void> {
    if (!this.#isOpen()) return;
    this.#state.leases.delete(this.#record);
    this.#state.collect();
  }

  async leave(): Promise<void> {
    if (this.#isOpen()) this.#state.leave(this.#record);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.leave();
  }

  #isOpen(): boolean {
    return this.#record.expiresAt === undefined && this.#state.leases.has(this.#record);
  }

  #mustBeOpen(): void {
    if (this.#isOpen()) return;
    throw new ImgctlError('lease_lost', 'the lease has ended: what is written now would be lost', {
      hint: 'Declare the import again: what has arrived is still there.',
    });
  }
}

function sizeMismatch({ digest, size }: Descriptor, actual: number): ImgctlError {
  return new ImgctlError('size_mismatch', `${digest || 'the blob'} has ${actual} bytes, not ${size}`, {
    hint: 'The archive was damaged: copy or save it again.',
    context: { digest },
  });
}

function digestMismatch({ digest }: Descriptor, actual: Digest): ImgctlError {
  return new ImgctlError('digest_mismatch', `the bytes of ${digest} have the digest ${actual}`, {
    hint: 'The archive was damaged: copy or save it again.',
    context: { digest },
  });
}

function offsetMismatch({ digest }: Descriptor, offset: number, held: number): ImgctlError {
  return new ImgctlError(
    'offset_mismatch',
    `${digest}: ${held} bytes are here, the write starts at ${offset}`,
    {
      hint: 'Write on from the offset that the store holds.',
      context: { digest, offset: held },
    },
  );
}

function full({ digest }: Descriptor): ImgctlError {
  return new ImgctlError('store_full', 'no space is left in the store', {
    hint: 'Remove images that are not needed, or give the store more space, then import again.',
    context: { digest },
  });
}
