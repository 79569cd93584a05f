import type { NodeInfo } from '../agent-api/schemas.ts';

/** What an agent says of itself, in one line: `node-1 is ready: imgctl 1.0.0, containerd 2.1.4 (overlayfs)`. */
export function describeAgent({ name, version, store }: NodeInfo): string {
  const snapshotter = store.snapshotter === undefined ? '' : ` (${store.snapshotter})`;
  return `${name} is ready: imgctl ${version}, ${`${store.kind} ${store.version}`.trim()}${snapshotter}`;
}
