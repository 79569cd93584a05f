import { boolean, nested, repeated, string, stringMap, strings } from '../grpc/fields.ts';
import { Empty, type MessageOf, message } from '../grpc/message.ts';
import { service } from '../grpc/method.ts';

/** containerd.services.leases.v1: what garbage collection leaves alone until it is deleted or expires. */

const Lease = message({ id: string(1), labels: stringMap(3) });
export type ApiLease = MessageOf<typeof Lease>;

/** `type` is `content`, `ingests` or `snapshots/<snapshotter>`. */
const Resource = message({ id: string(1), type: string(2) });
export type LeaseResource = MessageOf<typeof Resource>;

const method = service('containerd.services.leases.v1.Leases');

export const leases = {
  create: method('Create', Lease, message({ lease: nested(1, Lease) })),
  /** `sync`: answers after the garbage collection that follows. */
  delete: method('Delete', message({ id: string(1), sync: boolean(2) }), Empty),
  list: method('List', message({ filters: strings(1) }), message({ leases: repeated(1, Lease) })),
  addResource: method('AddResource', message({ id: string(1), resource: nested(2, Resource) }), Empty),
  listResources: method(
    'ListResources',
    message({ id: string(1) }),
    message({ resources: repeated(1, Resource) }),
  ),
};
