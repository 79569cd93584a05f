import type { Descriptor } from '../../image/descriptor.ts';
import type { Digest } from '../../image/digest.ts';
import type {
  Claim,
  Holdings,
  ImageRecord,
  Lease,
  RetainedChildren,
  Unpacker,
  WriteOptions,
} from '../store.ts';
import { attribute } from './attribute.ts';
import { claimUnder } from './claim.ts';
import { blobUnknown } from './content-errors.ts';
import { blobInfo } from './content-info.ts';
import { writeBlob } from './content-writer.ts';
import type { Connection } from './grpc/connection.ts';
import { setImage, siblingName } from './image-names.ts';
import { ingestUnnamed } from './ingest-unnamed.ts';
import type { LeaseHolder } from './lease-holder.ts';
import { blobResource, keyOf } from './lease-resources.ts';
import { retentionLabels, setBlobLabels } from './retain.ts';
import { ContainerdUnpacker } from './unpacker.ts';

export interface ContainerdLeaseOptions {
  readonly connection: Connection;
  readonly holder: LeaseHolder;
  readonly owner: string;
  readonly snapshotter: string;
  /** Called once the lease is released or left. */
  readonly onEnd: () => void;
}

/** To send this again, where somebody else brought it meanwhile, costs less than to look for it first. */
const smallBytes = 256 * 1024;

/** The port's lease, as calls under one of containerd's. */
export class ContainerdLease implements Lease {
  readonly unpacker: Unpacker;
  readonly #options: ContainerdLeaseOptions;
  /** Blobs of which a claim found nothing, and that were not written since. */
  readonly #absent = new Set<Digest>();
  /** What claims put under the lease, by the lease that was current and what it is. */
  readonly #kept = new Set<string>();

  constructor(options: ContainerdLeaseOptions) {
    this.#options = options;
    this.unpacker = new ContainerdUnpacker(options.connection, options.snapshotter, options.holder);
  }

  async claim(claim: Claim, signal?: AbortSignal): Promise<Holdings> {
    const { holder, ...rest } = this.#options;
    using use = holder.use();
    if (this.#areNewAndSmall(claim, use.id))
      return { whole: new Set(), partial: new Map(), unpacked: new Set() };
    const holdings = await claimUnder({ ...rest, lease: use.id, kept: this.#kept }, claim, signal);
    for (const { digest } of claim.blobs) {
      if (holdings.whole.has(digest) || holdings.partial.has(digest)) this.#absent.delete(digest);
      else this.#absent.add(digest);
    }
    return holdings;
  }

  /**
   * Small blobs that are claimed once more, as each is when its bytes come: nothing was there of them, and they are under
   * the lease. Looking again takes half of the time that bringing a small image does.
   */
  #areNewAndSmall({ blobs, chainIds = [] }: Claim, lease: string): boolean {
    const isNew = ({ digest, size }: Descriptor) =>
      size <= smallBytes &&
      this.#absent.has(digest) &&
      this.#kept.has(`${lease} ${keyOf(blobResource(digest))}`);
    return chainIds.length === 0 && blobs.length > 0 && blobs.every(isNew);
  }

  async write(
    blob: Descriptor,
    offset: number,
    chunks: AsyncIterable<Uint8Array>,
    options: WriteOptions = {},
  ): Promise<void> {
    const { connection, holder: lease } = this.#options;
    const knownAbsent = this.#absent.delete(blob.digest) && offset === 0;
    await writeBlob({ connection, lease, blob, offset, chunks, options, knownAbsent });
  }

  ingest(size: number, chunks: AsyncIterable<Uint8Array>, options: WriteOptions = {}): Promise<Digest> {
    const { connection, holder } = this.#options;
    return ingestUnnamed(connection, holder, size, chunks, options);
  }

  async retain(parent: Descriptor, children: RetainedChildren, signal?: AbortSignal): Promise<void> {
    using _use = this.#options.holder.use();
    await setBlobLabels(this.#options.connection, parent.digest, retentionLabels(children), { signal });
  }

  async attribute(
    blobs: readonly Descriptor[],
    repository: { readonly registry: string; readonly repository: string },
    signal?: AbortSignal,
  ): Promise<void> {
    using _use = this.#options.holder.use();
    await attribute(this.#options.connection, blobs, repository, { signal });
  }

  async nameImage(image: ImageRecord, signal?: AbortSignal): Promise<void> {
    const { connection, holder } = this.#options;
    using _use = holder.use();
    const { name, target } = image;
    if ((await blobInfo(connection, target.digest, { signal })) === undefined)
      throw blobUnknown(target.digest).within({ image: name });
    const sibling = siblingName(name, target.digest);
    // First: the name is what says that the image is there
    if (sibling !== undefined) await setImage(connection, { ...image, name: sibling }, { signal });
    await setImage(connection, image, { signal });
  }

  async release(): Promise<void> {
    await this.#options.holder.release();
    this.#options.onEnd();
  }

  async leave(): Promise<void> {
    await this.#options.holder.leave();
    this.#options.onEnd();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.leave();
  }
}
