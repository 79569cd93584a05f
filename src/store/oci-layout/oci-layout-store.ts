import { statfs } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Digest } from '../../image/digest.ts';
import { hostPlatform, type Platform } from '../../image/platform.ts';
import type {
  ByteRange,
  ConfirmRequest,
  ImageRecord,
  Lease,
  LeaseOptions,
  Store,
  StoredImage,
  StoreInfo,
} from '../store.ts';
import { confirm } from './confirm.ts';
import { Layout } from './layout.ts';
import { LayoutIndex } from './layout-index.ts';
import { LayoutLease } from './layout-lease.ts';
import { LayoutPaths } from './layout-paths.ts';
import { nameImages } from './name-images.ts';
import { layoutVersion, makeFolders, makeLayout } from './prepare-directory.ts';
import { ofStore } from './store-errors.ts';

/**
 * The embedded image store: a standard OCI image layout directory (image-layout.md of the OCI image specification),
 * which skopeo and umoci read. Several processes may use it at once, and each may die at any moment: blobs and index
 * are renamed into place when they are verified and synced, leases and partial blobs of the dead are found by the next.
 * It does not unpack. May import: errors, streams, image and the port.
 */
export interface OciLayoutOptions {
  /** Made where it is missing. */
  readonly directory: string;
  /** A layout has none: only what the store tells of itself. */
  readonly namespace?: string | undefined;
  /** The node's platforms, its own first. Default: linux on the host's architecture. */
  readonly platforms?: readonly Platform[] | undefined;
  /** The time in milliseconds since 1970: leases expire by it. */
  readonly now?: (() => number) | undefined;
}

/** How often leases are renewed and what has expired is swept, in milliseconds. */
const renewalMs = 10 * 60 * 1000;

/** @throws ImgctlError `store_failed`, `store_full` */
export async function openOciLayoutStore(options: OciLayoutOptions): Promise<Store> {
  const paths = new LayoutPaths(resolve(options.directory));
  await makeFolders(paths);
  const layout = await Layout.open(paths, options.now ?? Date.now, () => makeLayout(paths));
  return new OciLayoutStore(layout, options);
}

class OciLayoutStore implements Store {
  readonly #layout: Layout;
  readonly #namespace: string;
  readonly #platforms: readonly Platform[];
  readonly #leases = new Set<LayoutLease>();
  readonly #renewal: NodeJS.Timeout;

  constructor(layout: Layout, { namespace = 'k8s.io', platforms }: OciLayoutOptions) {
    this.#layout = layout;
    this.#namespace = namespace;
    // What is kept here is for linux nodes, also where this runs on a developer's macOS
    this.#platforms = platforms ?? [{ ...hostPlatform(), os: 'linux' }];
    // What fails now is tried again in ten minutes, long before anything expires
    this.#renewal = setInterval(() => void this.#renew().catch(() => {}), renewalMs).unref();
  }

  async info(signal?: AbortSignal): Promise<StoreInfo> {
    signal?.throwIfAborted();
    const { directory } = this.#layout.paths;
    const { bavail, bsize } = await ofStore(directory, statfs(directory));
    return {
      kind: 'oci',
      version: layoutVersion,
      address: directory,
      namespace: this.#namespace,
      platforms: this.#platforms,
      freeBytes: bavail * bsize,
      cri: false,
    };
  }

  async sizesOf(digests: readonly Digest[], signal?: AbortSignal): Promise<ReadonlyMap<Digest, number>> {
    const sizes = new Map<Digest, number>();
    for (const digest of digests) {
      signal?.throwIfAborted();
      const size = await this.#layout.blobs.sizeOf(digest);
      if (size !== undefined) sizes.set(digest, size);
    }
    return sizes;
  }

  read(digest: Digest, range?: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#layout.blobs.read(digest, range, signal);
  }

  async listImages(signal?: AbortSignal): Promise<readonly StoredImage[]> {
    signal?.throwIfAborted();
    return (await LayoutIndex.load(this.#layout.paths)).images();
  }

  async getImage(name: string, signal?: AbortSignal): Promise<StoredImage | undefined> {
    signal?.throwIfAborted();
    return (await LayoutIndex.load(this.#layout.paths)).find(name);
  }

  async tagImage(image: ImageRecord, signal?: AbortSignal): Promise<void> {
    await nameImages(this.#layout, image, [image.name], signal);
  }

  async removeImage(name: string, signal?: AbortSignal): Promise<boolean> {
    return this.#layout.rename(async (index) => {
      const target = index.take(name);
      return target === undefined ? undefined : [target];
    }, signal);
  }

  async openLease({ owner, signal }: LeaseOptions): Promise<Lease> {
    signal?.throwIfAborted();
    const lease = new LayoutLease(this.#layout, owner, () => this.#leases.delete(lease));
    this.#leases.add(lease);
    return lease;
  }

  async confirmImage(image: ConfirmRequest, signal?: AbortSignal): Promise<readonly string[]> {
    await confirm(this.#layout, image, this.#platforms, signal);
    return [];
  }

  async #renew(): Promise<void> {
    for (const lease of this.#leases) await lease.renew();
    await this.#layout.sweep();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#renewal);
    await Promise.allSettled([...this.#leases].map((lease) => lease.leave()));
    await this.#layout[Symbol.asyncDispose]();
  }
}
