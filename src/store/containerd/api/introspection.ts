import { nested, repeated, string, stringMap, strings } from '../grpc/fields.ts';
import { Empty, type MessageOf, message } from '../grpc/message.ts';
import { service } from '../grpc/method.ts';
import { Platform, Status } from './types.ts';

/** What the daemon says of itself: containerd.services.introspection.v1, version.v1 and namespaces.v1. */

const Plugin = message({
  type: string(1),
  id: string(2),
  platforms: repeated(4, Platform),
  exports: stringMap(5),
  initError: nested(7, Status),
});
export type Plugin = MessageOf<typeof Plugin>;

export const introspection = {
  plugins: service('containerd.services.introspection.v1.Introspection')(
    'Plugins',
    message({ filters: strings(1) }),
    message({ plugins: repeated(1, Plugin) }),
  ),
};

export const version = {
  version: service('containerd.services.version.v1.Version')(
    'Version',
    Empty,
    message({ version: string(1), revision: string(2) }),
  ),
};

export const namespaces = {
  list: service('containerd.services.namespaces.v1.Namespaces')(
    'List',
    message({ filter: string(1) }),
    message({ namespaces: repeated(1, message({ name: string(1) })) }),
  ),
};
