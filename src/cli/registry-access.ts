import { credentialFiles, type FoundDocument } from '../config/credentials/credential-files.ts';
import { type CredentialSource, credentialSources } from '../config/credentials/credential-sources.ts';
import { pullSecretDocument } from '../config/credentials/pull-secret.ts';
import type { ConfiguredEndpoint } from '../config/registries/configured-endpoint.ts';
import { type RegistryHosts, registryHosts } from '../config/registries/registry-hosts.ts';
import type { Reporter } from '../output/reporter.ts';
import { clusterSettings } from './cluster-settings.ts';
import type { CliIo } from './context.ts';
import type { NodeOptions } from './options.ts';
import type { RegistryOptions } from './registry-options.ts';

export interface RegistryAccess {
  readonly hosts: RegistryHosts;
  /** Who one may be there, in the order in which they are tried. */
  credentialsOf(endpoint: ConfiguredEndpoint): Promise<readonly CredentialSource[]>;
}

export type RegistryAccessOptions = RegistryOptions & Pick<NodeOptions, 'kubeconfig' | 'context' | 'config'>;

/**
 * What the options, else this machine, say of registries: where they are, and who one is there.
 * @throws ImgctlError `config_invalid`, `usage`, `discovery_failed`: a secret of the cluster cannot be read
 */
export async function registryAccess(
  options: RegistryAccessOptions,
  io: CliIo,
  reporter: Reporter,
): Promise<RegistryAccess> {
  const hosts = await registryHosts(options);
  for (const warning of hosts.warnings) reporter.warn(`${hosts.origin}: ${warning}`);
  const secrets = await pullSecrets(options, io);
  const search = { env: io.env, onWarning: (message: string) => reporter.warn(message) };
  let files: Promise<readonly FoundDocument[]> | undefined;
  return {
    hosts,
    credentialsOf: async ({ auth, account }) => {
      files ??= credentialFiles(search);
      const own =
        auth === undefined ? [] : [{ kind: auth.kind, source: hosts.origin ?? '', get: async () => auth }];
      return [...own, ...credentialSources([...secrets, ...(await files)], account, search)];
    },
  };
}

async function pullSecrets(options: RegistryAccessOptions, io: CliIo): Promise<FoundDocument[]> {
  const { pullSecret = [] } = options;
  if (pullSecret.length === 0) return [];
  const { kubeconfig, kubeContext } = await clusterSettings(options, io);
  const { findKubeconfig } = await import('../discovery/kubernetes/find-kubeconfig.ts');
  const { readSecrets } = await import('../discovery/kubernetes/read-secret.ts');
  const { env, signal } = io;
  const search = await findKubeconfig({ env, explicit: kubeconfig });
  const secrets = await readSecrets(search, pullSecret, { env, context: kubeContext, signal });
  return secrets.flatMap((secret, i) => {
    const name = pullSecret[i];
    return name === undefined ? [] : [pullSecretDocument(name, secret)];
  });
}
