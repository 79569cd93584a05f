import { integer, string, stringMap, strings } from '../grpc/fields.ts';
import { message } from '../grpc/message.ts';

/** Messages that several services share: containerd.types and google.protobuf. */

export const Timestamp = message({ seconds: integer(1), nanos: integer(2) });

/** Paths of the fields that an update changes; `labels.<key>` changes one label and leaves the others. */
export const FieldMask = message({ paths: strings(1) });

export const Descriptor = message({
  mediaType: string(1),
  digest: string(2),
  size: integer(3),
  annotations: stringMap(5),
});

export const Mount = message({ type: string(1), source: string(2), target: string(3), options: strings(4) });

export const Platform = message({ os: string(1), architecture: string(2), variant: string(3) });

/** google.rpc.Status */
export const Status = message({ code: integer(1), message: string(2) });
