import { environmentProxy } from '../../streams/environment-proxy.ts';
import { type RegistryPlaces, registryHosts } from './registry-hosts.ts';
import {
  type ConfiguredRegistries,
  type RegistrySettingsOptions,
  registrySettings,
} from './registry-settings.ts';

export interface MachineRegistries extends ConfiguredRegistries {
  /** The proxy on the way to a server; undefined: none. */
  proxyOf(url: URL): string | undefined;
}

/**
 * What was named, else what this machine has, says of registries: where they are, who one is there, and how one gets
 * there. Files are read once: who runs for long asks anew.
 * @throws ImgctlError `config_invalid`, `usage` where both places were named
 */
export async function machineRegistries(
  options: RegistryPlaces & Omit<RegistrySettingsOptions, 'hosts'>,
): Promise<MachineRegistries> {
  const { env, onWarning } = options;
  const hosts = await registryHosts(options);
  for (const warning of hosts.warnings) onWarning(`${hosts.origin}: ${warning}`);
  return { ...registrySettings({ ...options, hosts }), proxyOf: (url) => environmentProxy(url, env) };
}
