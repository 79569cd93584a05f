import type { ImportNode } from '../agent-api/import-node.ts';
import { apiVersion } from '../agent-api/schemas.ts';
import { formatPlatform } from '../image/platform.ts';
import type { Store } from '../store/store.ts';
import { BlobWriters } from './blob-writers.ts';
import { Import } from './import.ts';

export interface LocalNodeOptions {
  readonly name: string;
  /** Whose leases these are. */
  readonly owner: string;
  readonly version: string;
  /** Shared with other imports into this store; its own unless given. */
  readonly writers?: BlobWriters | undefined;
  /** See ImportOptions. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** The store of this machine as a node: the same import as through an agent, without one. */
export function createLocalNode(
  store: Store,
  { name, owner, version, writers = new BlobWriters(), labels }: LocalNodeOptions,
): ImportNode {
  return {
    async describe(signal) {
      const {
        kind,
        version: storeVersion,
        snapshotter,
        namespace,
        cri,
        platforms,
        freeBytes,
      } = await store.info(signal);
      return {
        name,
        version,
        api: apiVersion,
        platforms: platforms.map(formatPlatform),
        store: {
          kind,
          version: storeVersion,
          namespace,
          cri,
          ...(snapshotter === undefined ? {} : { snapshotter }),
        },
        ...(freeBytes === undefined ? {} : { freeBytes }),
        features: [],
      };
    },
    openImport: (declaration, signal) => Import.open({ store, owner, writers, labels, signal }, declaration),
    previewImport: (declaration, signal) =>
      Import.preview({ store, owner, writers, labels, signal }, declaration),
  };
}
