import { boolean, nested, repeated, string, stringMap, strings } from '../grpc/fields.ts';
import { Empty, type MessageOf, message } from '../grpc/message.ts';
import { service } from '../grpc/method.ts';
import { Descriptor, FieldMask, Timestamp } from './types.ts';

/** containerd.services.images.v1: names. */

const Image = message({
  name: string(1),
  labels: stringMap(2),
  target: nested(3, Descriptor),
  createdAt: nested(7, Timestamp),
});
export type ApiImage = MessageOf<typeof Image>;

const method = service('containerd.services.images.v1.Images');
const OneImage = message({ image: nested(1, Image) });

export const images = {
  get: method('Get', message({ name: string(1) }), OneImage),
  list: method('List', message({ filters: strings(1) }), message({ images: repeated(1, Image) })),
  create: method('Create', OneImage, OneImage),
  update: method('Update', message({ image: nested(1, Image), updateMask: nested(2, FieldMask) }), OneImage),
  /** `sync`: answers after the garbage collection that follows. */
  delete: method('Delete', message({ name: string(1), sync: boolean(2) }), Empty),
};
