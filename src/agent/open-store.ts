import { ImgctlError } from '../errors.ts';
import type { Store } from '../store/store.ts';

export interface StoreChoice {
  /** `containerd[:SOCKET]` or `oci:DIRECTORY`; absent: the node's containerd, wherever its socket is. */
  readonly store?: string | undefined;
  readonly namespace: string;
  readonly snapshotter?: string | undefined;
}

/**
 * Opens the node's image store. Each adapter is loaded only when it is wanted.
 * @throws ImgctlError `usage`, `store_not_found`, `store_unreachable`
 */
export async function openStore(
  { store = 'containerd', namespace, snapshotter }: StoreChoice,
  {
    env,
    signal,
  }: { readonly env: Readonly<Record<string, string | undefined>>; readonly signal: AbortSignal },
): Promise<Store> {
  const colon = store.indexOf(':');
  const [kind, where] = colon < 0 ? [store, ''] : [store.slice(0, colon), store.slice(colon + 1)];
  if (kind === 'oci' && where !== '') {
    const { openOciLayoutStore } = await import('../store/oci-layout/oci-layout-store.ts');
    return openOciLayoutStore({ directory: where, namespace });
  }
  if (kind === 'containerd') {
    const { openContainerdStore } = await import('../store/containerd/containerd-store.ts');
    const { findContainerdSocket } = await import('../store/containerd/find-socket.ts');
    const address = where === '' ? await findContainerdSocket(env) : where;
    return openContainerdStore({
      address,
      namespace,
      ...(snapshotter === undefined ? {} : { snapshotter }),
      signal,
    });
  }
  throw new ImgctlError('usage', `not a store: ${JSON.stringify(store.slice(0, 200))}`, {
    hint: 'Write --store containerd, --store containerd:/path/to/containerd.sock or --store oci:DIRECTORY.',
  });
}
