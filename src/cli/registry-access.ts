import type { ConfiguredEndpoint } from '../config/registries/configured-endpoint.ts';
import { type RegistryHosts, registryHosts } from '../config/registries/registry-hosts.ts';
import type { Credential } from '../image/registry-endpoint.ts';
import type { Reporter } from '../output/reporter.ts';
import type { CliIo } from './context.ts';
import type { RegistryOptions } from './registry-options.ts';

/** A credential, and where it stands. */
export interface FoundCredential {
  readonly kind: Credential['kind'];
  readonly source: string;
  readonly credential: Credential;
}

export interface RegistryAccess {
  readonly hosts: RegistryHosts;
  /** Who one may be there, in the order in which they are tried. */
  credentialsOf(endpoint: ConfiguredEndpoint): Promise<readonly FoundCredential[]>;
}

/** What the options, else this machine, say of registries. @throws ImgctlError `config_invalid`, `usage` */
export async function registryAccess(
  options: RegistryOptions,
  _io: CliIo,
  reporter: Reporter,
): Promise<RegistryAccess> {
  const hosts = await registryHosts(options);
  for (const warning of hosts.warnings) reporter.warn(`${hosts.origin}: ${warning}`);
  return {
    hosts,
    credentialsOf: async ({ auth }) =>
      auth === undefined ? [] : [{ kind: auth.kind, source: hosts.origin ?? '', credential: auth }],
  };
}
