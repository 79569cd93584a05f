import { nested, repeated, string, stringMap, strings } from '../grpc/fields.ts';
import { Empty, message } from '../grpc/message.ts';
import { service } from '../grpc/method.ts';
import { Descriptor, Mount } from './types.ts';

/** containerd.services.snapshots.v1 and containerd.services.diff.v1: unpacked layers. */

const Info = message({ name: string(1), parent: string(2), labels: stringMap(6) });

const method = service('containerd.services.snapshots.v1.Snapshots');
const Key = message({ snapshotter: string(1), key: string(2) });

export const snapshots = {
  prepare: method(
    'Prepare',
    message({ snapshotter: string(1), key: string(2), parent: string(3), labels: stringMap(4) }),
    message({ mounts: repeated(1, Mount) }),
  ),
  commit: method(
    'Commit',
    message({ snapshotter: string(1), name: string(2), key: string(3), labels: stringMap(4) }),
    Empty,
  ),
  stat: method('Stat', Key, message({ info: nested(1, Info) })),
  remove: method('Remove', Key, Empty),
  /** A stream. */
  list: method(
    'List',
    message({ snapshotter: string(1), filters: strings(2) }),
    message({ info: repeated(1, Info) }),
  ),
};

export const diff = {
  /** Unpacks a layer onto mounts; answers the descriptor of its uncompressed form. */
  apply: service('containerd.services.diff.v1.Diff')(
    'Apply',
    message({ diff: nested(1, Descriptor), mounts: repeated(2, Mount) }),
    message({ applied: nested(1, Descriptor) }),
  ),
};
