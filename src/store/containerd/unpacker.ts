import { randomBytes } from 'node:crypto';
import { hasCode, ImgctlError } from '../../errors.ts';
import type { Descriptor } from '../../image/descriptor.ts';
import type { Digest } from '../../image/digest.ts';
import type { Unpacker, UnpackLayer } from '../store.ts';
import { diff, snapshots } from './api/snapshots.ts';
import { blobInfo } from './content-info.ts';
import type { CallOptions, Connection } from './grpc/connection.ts';
import { alreadyExists, isNotFound } from './grpc/errors.ts';
import type { LeaseHolder } from './lease-holder.ts';
import { addResource, snapshotResource } from './lease-resources.ts';
import { setBlobLabels } from './retain.ts';
import { removeSnapshot, snapshotExists } from './snapshots.ts';
import { takeTurn } from './turns.ts';

/** A layer may have many GB, and containerd answers only when it is unpacked. */
const applyWithinMs = 24 * 60 * 60 * 1000;

/**
 * Unpacks layers as containerd's own client does: a snapshot is prepared on the parent's, the layer applied to it, and
 * the result committed under its chain ID. Others may do the same at the same time: the first to commit wins.
 */
export class ContainerdUnpacker implements Unpacker {
  readonly #connection: Connection;
  readonly #snapshotter: string;
  readonly #lease: LeaseHolder;

  constructor(connection: Connection, snapshotter: string, lease: LeaseHolder) {
    this.#connection = connection;
    this.#snapshotter = snapshotter;
    this.#lease = lease;
  }

  async unpackLayer(layer: UnpackLayer, signal?: AbortSignal): Promise<void> {
    const { address, namespace } = this.#connection;
    // Images share their lower layers: a second unpack in this process would be work for nothing
    const place = `${address} ${namespace} ${this.#snapshotter}`;
    using _turn = await takeTurn(`unpack ${place} ${layer.chainId}`, signal);
    using use = this.#lease.use();
    const options = { lease: use.id, signal };
    if (!(await this.#isUnpacked(layer.chainId, options))) await this.#unpack(layer, options);
    await this.#labelUncompressed(layer, options);
  }

  async retainSnapshot(config: Descriptor, topChainId: Digest, signal?: AbortSignal): Promise<void> {
    const label = `containerd.io/gc.ref.snapshot.${this.#snapshotter}`;
    await setBlobLabels(this.#connection, config.digest, { [label]: topChainId }, { signal });
  }

  /** Leased before it is looked at: it may be there, and go. */
  async #isUnpacked(chainId: Digest, options: CallOptions & { lease: string }): Promise<boolean> {
    if (!(await snapshotExists(this.#connection, this.#snapshotter, chainId, options))) return false;
    const resource = snapshotResource(this.#snapshotter, chainId);
    await addResource(this.#connection, options.lease, resource, options);
    return snapshotExists(this.#connection, this.#snapshotter, chainId, options);
  }

  async #unpack(layer: UnpackLayer, options: CallOptions & { lease: string }): Promise<void> {
    const { chainId, parent = '' } = layer;
    const snapshotter = this.#snapshotter;
    const key = `extract-${process.hrtime.bigint() % 1_000_000_000n}-${randomBytes(4).toString('base64url')} ${chainId}`;
    // By this label remote snapshotters find the layer that they may bring by themselves
    const labels = { 'containerd.io/snapshot.ref': chainId };
    let committed = false;
    try {
      const { mounts } = await this.#connection.unary(
        snapshots.prepare,
        { snapshotter, key, parent, labels },
        options,
      );
      await this.#apply(layer, mounts, options);
      await this.#connection.unary(snapshots.commit, { snapshotter, key, name: chainId, labels }, options);
      committed = true;
    } catch (error) {
      if (alreadyExists(error) && (await this.#isUnpacked(chainId, options))) return;
      throw failed(layer, error);
    } finally {
      // Without the signal: that may be the very reason
      if (!committed) await removeSnapshot(this.#connection, snapshotter, key, options.lease);
    }
  }

  async #apply(
    { descriptor: { mediaType, digest, size }, diffId }: UnpackLayer,
    mounts: NonNullable<Parameters<typeof diff.apply.request.encode>[0]['mounts']>,
    options: CallOptions,
  ): Promise<void> {
    const { applied } = await this.#connection.unary(
      diff.apply,
      { diff: { mediaType, digest, size }, mounts },
      { ...options, timeoutMs: applyWithinMs },
    );
    if (applied?.digest === diffId) return;
    throw new ImgctlError('unpack_failed', `it unpacks to ${applied?.digest}, its image says ${diffId}`, {
      hint: 'The archive was made by a broken tool: build or save the image again.',
    });
  }

  /** containerd's own clients look for it. A layer blob that is not kept has no labels. */
  async #labelUncompressed(
    { descriptor: { digest }, diffId }: UnpackLayer,
    options: CallOptions,
  ): Promise<void> {
    const label = 'containerd.io/uncompressed';
    const info = await blobInfo(this.#connection, digest, options);
    if (info === undefined || info.labels[label] === diffId) return;
    await setBlobLabels(this.#connection, digest, { [label]: diffId }, options).catch((error) => {
      if (!hasCode(error, 'blob_unknown')) throw error;
    });
  }
}

/** A full disk, a lost lease, a daemon that is gone and an abort stay what they are. */
function failed({ descriptor: { digest } }: UnpackLayer, cause: unknown): unknown {
  if (!hasCode(cause, 'store_failed', 'unpack_failed')) return cause;
  const missing = isNotFound(cause) ? ' (it, or the layer below it, is not there)' : '';
  return new ImgctlError(
    'unpack_failed',
    `the layer ${digest} cannot be unpacked${missing}: ${cause.message}`,
    {
      hint:
        cause.code === 'unpack_failed' ? cause.hint : 'Import again; if it stays so, save the image again.',
      context: { digest },
      cause,
    },
  );
}
