import type { Digest } from '../image/digest.ts';
import { NodeSet } from './plan-node-set.ts';
import type { Parcel } from './plan-state.ts';
import type { PlanBlob } from './plan-types.ts';

/** Blobs of at most this many bytes go in parcels: for them a request costs more than the bytes. */
export const smallBytes = 256 * 1024;
const parcelBytes = 1024 * 1024;
const parcelBlobs = 64;

export interface LooseBlob extends PlanBlob {
  readonly fromSource: boolean;
  readonly order: number;
  readonly lackers: NodeSet;
  readonly holders: NodeSet;
  readonly offsets: Map<number, number>;
}

/**
 * Makes parcels of the blobs that somebody lacks. Small ones come first (documents, without which nodes do not know
 * what else they lack) and are put together when the same nodes lack them, and the same hold them: so a parcel never
 * brings a node what it has.
 */
export function makeParcels(blobs: readonly LooseBlob[], firstIndex: number): Parcel[] {
  const wanted = blobs.filter(({ lackers }) => lackers.size > 0).sort((a, b) => a.order - b.order);
  const groups: LooseBlob[][] = [];
  const open = new Map<string, { group: LooseBlob[]; bytes: number }>();
  for (const blob of wanted) {
    if (blob.size > smallBytes) continue;
    const key = `${blob.fromSource} ${blob.lackers.signature()} ${blob.holders.signature()}`;
    let last = open.get(key);
    if (last === undefined || last.bytes + blob.size > parcelBytes || last.group.length >= parcelBlobs) {
      last = { group: [], bytes: 0 };
      open.set(key, last);
      groups.push(last.group);
    }
    last.group.push(blob);
    last.bytes += blob.size;
  }
  for (const blob of wanted) if (blob.size > smallBytes) groups.push([blob]);
  return groups.map((group, i) => parcelOf(group, firstIndex + i));
}

function parcelOf(group: readonly LooseBlob[], index: number): Parcel {
  const [first] = group;
  if (first === undefined) throw new RangeError('an empty parcel');
  const size = group.reduce((sum, blob) => sum + blob.size, 0);
  return {
    index,
    blobs: group.map(({ digest, size: bytes }: { digest: Digest; size: number }) => ({
      digest,
      size: bytes,
    })),
    size,
    charge: size > 4 * parcelBytes ? 1 : size > parcelBytes ? 0.5 : 0.25,
    fromSource: first.fromSource,
    waiting: first.lackers,
    holders: first.holders,
    // A small blob is sent from its beginning
    offsets: group.length === 1 && size > smallBytes ? first.offsets : new Map(),
    unpulled: new NodeSet(),
    receiving: 0,
    rising: 0,
    risingFirst: 0,
  };
}
