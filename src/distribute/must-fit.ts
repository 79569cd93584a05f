import type { Declaration, MissingBlob, NodeInfo } from '../agent-api/schemas.ts';
import { ImgctlError } from '../errors.ts';
import { isLayerType } from '../image/media-types.ts';
import type { UnpackedSizes } from './unpacked-sizes.ts';

/** Kept free beside what is needed, for databases and the like: a sixteenth of it, and never more than this. */
const maxReserveBytes = 16 * 1024 * 1024;

/** Snapshotters that unpack to a pool or file system of their own, whose room the node does not tell. */
const elsewhere: ReadonlySet<string> = new Set(['devmapper', 'zfs', 'btrfs', 'blockfile']);

/**
 * Whether what a node lacks, and what that unpacks to, has room in its image store. Counts what is needed at least,
 * so that no node is refused that could have taken the images.
 * @throws ImgctlError `store_full`
 */
export async function mustFit(
  { freeBytes, store }: NodeInfo,
  missing: readonly MissingBlob[],
  { platforms, unpack = true }: Declaration,
  sizes: UnpackedSizes,
): Promise<void> {
  if (freeBytes === undefined || missing.length === 0) return;
  const missingBytes = sum(missing.map(({ size, offset }) => size - offset));
  // With every platform, only what the node runs is unpacked, and which layers those are the node knows
  const { snapshotter } = store;
  const unpacksHere = unpack && snapshotter !== undefined && !elsewhere.has(snapshotter);
  const unpacks = unpacksHere && !platforms?.includes('all');
  const layers = unpacks ? missing.filter(({ mediaType }) => isLayerType(mediaType)) : [];
  const unpackedBytes = sum(await Promise.all(layers.map(({ digest, size }) => sizes.of(digest, size))));
  const neededBytes = missingBytes + unpackedBytes;
  if (withReserve(neededBytes) <= freeBytes) return;
  const parts =
    unpackedBytes === 0 ? '' : ` (${inWords(missingBytes)} of blobs, ${inWords(unpackedBytes)} unpacked)`;
  const packed =
    withReserve(missingBytes) <= freeBytes ? ' There is room for the blobs alone: --no-unpack.' : '';
  throw new ImgctlError(
    'store_full',
    `the images need ${inWords(neededBytes)}${parts}, and its image store has ${inWords(freeBytes)} free`,
    {
      hint: `Free disk space on the node (crictl rmi --prune removes images that no pod uses), then run the command again.${packed}`,
      context: { phase: 'check', neededBytes, missingBytes, unpackedBytes, freeBytes },
    },
  );
}

function withReserve(bytes: number): number {
  return bytes + Math.min(maxReserveBytes, bytes / 16);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0);
}

function inWords(bytes: number): string {
  if (bytes < 1024 ** 2) return `${Math.round(bytes)} bytes`;
  return bytes < 10 * 1024 ** 3
    ? `${(bytes / 1024 ** 2).toFixed(1)} MiB`
    : `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
}
