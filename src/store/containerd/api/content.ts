import { bytes, integer, nested, pieces, repeated, string, stringMap, strings } from '../grpc/fields.ts';
import { Empty, message } from '../grpc/message.ts';
import { service } from '../grpc/method.ts';
import { FieldMask, Timestamp } from './types.ts';

/** containerd.services.content.v1: blobs, and ingests (blobs that are being written). */

const Info = message({ digest: string(1), size: integer(2), labels: stringMap(5) });

const Status = message({
  updatedAt: nested(2, Timestamp),
  ref: string(3),
  offset: integer(4),
  total: integer(5),
});

const WriteRequest = message({
  action: integer(1),
  ref: string(2),
  total: integer(3),
  expected: string(4),
  offset: integer(5),
  data: pieces(6),
  labels: stringMap(7),
});

const WriteResponse = message({
  action: integer(1),
  offset: integer(4),
  total: integer(5),
  digest: string(6),
});

export const writeActions = { stat: 0, write: 1, commit: 2 } as const;

const method = service('containerd.services.content.v1.Content');
const Digest = message({ digest: string(1) });
const Filters = message({ filters: strings(1) });
const Ref = message({ ref: string(1) });

export const content = {
  info: method('Info', Digest, message({ info: nested(1, Info) })),
  update: method(
    'Update',
    message({ info: nested(1, Info), updateMask: nested(2, FieldMask) }),
    message({ info: nested(1, Info) }),
  ),
  /** A stream. */
  list: method('List', Filters, message({ info: repeated(1, Info) })),
  /** A stream. `size` 0 is up to the end. */
  read: method(
    'Read',
    message({ digest: string(1), offset: integer(2), size: integer(3) }),
    message({ offset: integer(1), data: bytes(2) }),
  ),
  status: method('Status', Ref, message({ status: nested(1, Status) })),
  listStatuses: method('ListStatuses', Filters, message({ statuses: repeated(1, Status) })),
  abort: method('Abort', Ref, Empty),
  /** A stream both ways. */
  write: method('Write', WriteRequest, WriteResponse),
};
