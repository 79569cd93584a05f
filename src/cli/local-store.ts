import type { Command } from 'commander';
import type { Store } from '../store/store.ts';
import type { CliIo } from './context.ts';
import type { StoreOptions } from './options.ts';

/** The image store of this machine, reached without an agent: what every command under `ctr` shares. */

/** Opens the store that the options of a command and of those above it name. @throws as openContainerdStore */
export async function openLocalStore(command: Command, { env, signal }: CliIo): Promise<Store> {
  const { address, namespace, snapshotter } = inheritedOptions(command);
  const { openStore } = await import('../agent/open-store.ts');
  const socket = address || env.CONTAINERD_ADDRESS;
  return openStore(
    {
      // The namespace that the kubelet uses: an image in another one is an image that no pod sees
      namespace: namespace || env.CONTAINERD_NAMESPACE || 'k8s.io',
      snapshotter: snapshotter || env.CONTAINERD_SNAPSHOTTER,
      store: storeOf(socket),
    },
    { env, signal },
  );
}

function storeOf(address: string | undefined): string | undefined {
  if (!address) return undefined;
  return address.startsWith('oci:') ? address : `containerd:${address}`;
}

/** The nearest command's value counts. */
function inheritedOptions(command: Command): StoreOptions {
  const own = command.opts<StoreOptions>();
  return command.parent === null ? own : { ...inheritedOptions(command.parent), ...own };
}
