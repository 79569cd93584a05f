import { ImgctlError } from '../errors.ts';
import type { Descriptor } from '../image/descriptor.ts';
import { type Digest, digestAlgorithm, digestOf } from '../image/digest.ts';
import { maxDocumentBytes } from '../image/documents.ts';
import { readDocument } from '../image/read-document.ts';
import type { Lease, Store, WriteOptions } from '../store/store.ts';
import { Limiter } from '../streams/limiter.ts';

interface WantedDocument {
  readonly descriptor: Descriptor;
  readonly repositories: WriteOptions['repositories'];
}

/** What is claimed and written goes under a lease; whoever only looks needs none. */
type HeldBy = Pick<Lease, 'claim' | 'write'>;

/** What an import has of the blobs that it wants: its documents in memory, and what its lease holds in the store. */
export class ImportContent {
  readonly whole = new Set<Digest>();
  readonly partial = new Map<Digest, number>();
  readonly unpacked = new Set<Digest>();
  readonly #documents = new Map<Digest, Uint8Array>();
  readonly #absent = new Set<Digest>();
  readonly #waiting = new Map<Digest, (() => void)[]>();
  readonly #store: Store;
  readonly #lease: HeldBy;

  constructor(store: Store, lease: HeldBy) {
    this.#store = store;
    this.#lease = lease;
  }

  /** @throws ImgctlError `digest_mismatch`, `size_mismatch`, `document_too_large` */
  addDocument(descriptor: Descriptor, bytes: Uint8Array): void {
    const { digest, size } = descriptor;
    if (bytes.byteLength > maxDocumentBytes) {
      throw new ImgctlError('document_too_large', `the document ${digest} has ${bytes.byteLength} bytes`, {
        context: { digest },
      });
    }
    if (bytes.byteLength !== size) {
      throw new ImgctlError(
        'size_mismatch',
        `the document ${digest} has ${bytes.byteLength} bytes, not ${size}`,
        { context: { digest } },
      );
    }
    if (digestOf(bytes, digestAlgorithm(digest)) !== digest) {
      throw new ImgctlError('digest_mismatch', `the document sent as ${digest} has another digest`, {
        hint: 'The archive was damaged: copy or save it again.',
        context: { digest },
      });
    }
    this.#documents.set(digest, bytes);
    this.#absent.delete(digest);
  }

  /** A document that was declared, or that the store has; undefined where neither. */
  async document(descriptor: Descriptor, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    const { digest } = descriptor;
    const declared = this.#documents.get(digest);
    if (declared !== undefined || this.#absent.has(digest)) return declared;
    // Under the lease first, so that it is not collected between being found and being kept
    if (!this.whole.has(digest)) await this.claim([descriptor], [], signal);
    if (!this.whole.has(digest)) {
      this.#absent.add(digest);
      return undefined;
    }
    const source = { sizeOf: () => descriptor.size, read: () => this.#store.read(digest, {}, signal) };
    const bytes = await readDocument(source, descriptor, signal);
    this.#documents.set(digest, bytes);
    return bytes;
  }

  async claim(
    blobs: readonly Descriptor[],
    chainIds: readonly Digest[],
    signal?: AbortSignal,
  ): Promise<void> {
    const holdings = await this.#lease.claim({ blobs, chainIds }, signal);
    for (const digest of holdings.whole) this.arrived(digest);
    for (const [digest, offset] of holdings.partial)
      if (!this.whole.has(digest)) this.partial.set(digest, offset);
    for (const chainId of holdings.unpacked) this.unpacked.add(chainId);
  }

  /** Puts those documents into the store that were declared and are not there yet. */
  async storeDocuments(wanted: readonly WantedDocument[], signal?: AbortSignal): Promise<void> {
    const limiter = new Limiter(8);
    await Promise.all(
      wanted.map(({ descriptor, repositories }) =>
        limiter.run(async () => {
          const bytes = this.#documents.get(descriptor.digest);
          if (bytes === undefined || this.whole.has(descriptor.digest)) return;
          await this.#lease.write(descriptor, 0, once(bytes), { signal, repositories });
          this.arrived(descriptor.digest);
        }, signal),
      ),
    );
  }

  arrived(digest: Digest): void {
    this.whole.add(digest);
    this.partial.delete(digest);
    this.#absent.delete(digest);
    for (const wake of this.#waiting.get(digest) ?? []) wake();
    this.#waiting.delete(digest);
  }

  /** Resolves once the blob is whole. */
  async arrival(digest: Digest, signal: AbortSignal): Promise<void> {
    if (this.whole.has(digest)) return;
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const abort = () => reject(signal.reason);
    const waiting = this.#waiting.get(digest) ?? [];
    waiting.push(resolve);
    this.#waiting.set(digest, waiting);
    signal.addEventListener('abort', abort, { once: true });
    try {
      await promise;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** Lets go of what is held in memory: the import has ended. */
  forget(): void {
    this.#documents.clear();
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  if (bytes.byteLength > 0) yield bytes;
}
