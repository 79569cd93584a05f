import { join } from 'node:path';

export type Snapshotter = 'overlayfs' | 'native';

export interface DaemonSettings {
  /** `1.6`, `1.7`, `2.1`: the names of the CRI plugin's sections changed with 2.0 */
  generation: string;
  folder: string;
  snapshotter: Snapshotter;
  discardUnpackedLayers: boolean;
  /** Whether its CRI plugin is on. */
  cri: boolean;
  /** Where the CRI reads of each registry how it is reached (`hosts.toml`). */
  hostsDir?: string | undefined;
}

export const socketIn = (folder: string): string => join(folder, 'containerd.sock');

/**
 * One daemon's `config.toml`. Every path and port that would default to a machine-wide one is moved into the folder,
 * so that daemons of all generations can run at the same time.
 */
export function configToml(settings: DaemonSettings): string {
  const modern = Number.parseInt(settings.generation, 10) >= 2;
  const { folder } = settings;
  return `version = ${modern ? 3 : 2}
root = ${quote(join(folder, 'root'))}
state = ${quote(join(folder, 'state'))}
disabled_plugins = [${settings.cri ? '' : criPlugins.map(quote).join(', ')}]

[grpc]
  address = ${quote(socketIn(folder))}

[ttrpc]
  address = ${quote(`${socketIn(folder)}.ttrpc`)}

[debug]
  address = ""

[metrics]
  address = ""

[plugins."io.containerd.internal.v1.opt"]
  path = ${quote(join(folder, 'opt'))}

# Has one machine-wide socket, and is on by default since 2.0.
[plugins."io.containerd.nri.v1.nri"]
  disable = true

[plugins."io.containerd.grpc.v1.cri"]
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"

${modern ? criOf2(settings) : criOf1(settings)}`;
}

function criOf1({ folder, snapshotter, discardUnpackedLayers, hostsDir }: DaemonSettings): string {
  return `[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "${snapshotter}"
  discard_unpacked_layers = ${discardUnpackedLayers}

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = ${quote(join(folder, 'cni/bin'))}
  conf_dir = ${quote(join(folder, 'cni/conf'))}
${registryOf('io.containerd.grpc.v1.cri', hostsDir)}`;
}

function criOf2({ folder, snapshotter, discardUnpackedLayers, hostsDir }: DaemonSettings): string {
  return `[plugins."io.containerd.cri.v1.images"]
  snapshotter = "${snapshotter}"
  discard_unpacked_layers = ${discardUnpackedLayers}

[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = [${quote(join(folder, 'cni/bin'))}]
  conf_dir = ${quote(join(folder, 'cni/conf'))}

# \`ctr images import\` goes through this service, which unpacks only for snapshotters that it is told of.
[[plugins."io.containerd.transfer.v1.local".unpack_config]]
  platform = "linux"
  snapshotter = "${snapshotter}"
${registryOf('io.containerd.cri.v1.images', hostsDir)}`;
}

function registryOf(plugin: string, hostsDir: string | undefined): string {
  return hostsDir === undefined
    ? ''
    : `
[plugins.${quote(plugin)}.registry]
  config_path = ${quote(hostsDir)}
`;
}

/** Of all generations. */
const criPlugins = [
  'io.containerd.grpc.v1.cri',
  'io.containerd.cri.v1.images',
  'io.containerd.cri.v1.runtime',
];

/** A TOML basic string; JSON's escapes are a subset of TOML's. */
const quote = (text: string): string => JSON.stringify(text);
