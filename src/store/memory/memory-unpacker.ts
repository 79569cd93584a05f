import { ImgctlError } from '../../errors.ts';
import type { Descriptor } from '../../image/descriptor.ts';
import type { Digest } from '../../image/digest.ts';
import { mediaTypes } from '../../image/media-types.ts';
import type { Unpacker, UnpackLayer } from '../store.ts';
import type { Faults } from './faults.ts';
import type { LeaseRecord, MemoryState } from './memory-state.ts';

/** Takes note of chain IDs, and insists on the order that a snapshotter insists on: the parent first. */
export class MemoryUnpacker implements Unpacker {
  readonly #state: MemoryState;
  readonly #faults: Faults;
  readonly #lease: LeaseRecord;

  constructor(state: MemoryState, faults: Faults, lease: LeaseRecord) {
    this.#state = state;
    this.#faults = faults;
    this.#lease = lease;
  }

  async unpackLayer(layer: UnpackLayer, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const { descriptor, diffId, chainId, parent } = layer;
    this.#lease.chainIds.add(chainId);
    if (this.#state.snapshots.has(chainId)) return;
    await this.#faults.unpack?.(layer);
    if (!this.#state.blobs.has(descriptor.digest)) throw failed(descriptor, 'the layer is not in the store');
    if (parent !== undefined && !this.#state.snapshots.has(parent))
      throw failed(descriptor, 'the layer below it is not unpacked');
    if (isUncompressed(descriptor) && descriptor.digest !== diffId)
      throw failed(descriptor, `unpacked it does not have the diff ID ${diffId}`);
    this.#state.snapshots.set(chainId, parent);
  }

  async retainSnapshot(config: Descriptor, topChainId: Digest, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.#state.wholeBlob(config.digest);
    this.#state.unpacked.set(config.digest, topChainId);
  }
}

/** Then its digest is its diff ID; of a compressed layer the store takes the diff ID's word. */
function isUncompressed({ mediaType }: Descriptor): boolean {
  return mediaType === mediaTypes.ociLayer || mediaType === mediaTypes.dockerLayer;
}

function failed({ digest }: Descriptor, why: string): ImgctlError {
  return new ImgctlError('unpack_failed', `${digest} cannot be unpacked: ${why}`, { context: { digest } });
}
