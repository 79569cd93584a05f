import type { FoundDocument } from '../config/credentials/credential-files.ts';
import { mergedSecrets, pullSecretDocument } from '../config/credentials/pull-secret.ts';
import { registryHosts } from '../config/registries/registry-hosts.ts';
import { type ConfiguredRegistries, registrySettings } from '../config/registries/registry-settings.ts';
import { environmentProxy } from '../discovery/kubernetes/environment-proxy.ts';
import type { Reporter } from '../output/reporter.ts';
import type { RegistrySettings } from '../registry/registry.ts';
import { clusterSettings } from './cluster-settings.ts';
import type { CliIo } from './context.ts';
import type { NodeOptions } from './options.ts';
import type { RegistryOptions } from './registry-options.ts';

export type RegistryAccess = RegistrySettings & ConfiguredRegistries;

export type RegistryAccessOptions = RegistryOptions & Pick<NodeOptions, 'kubeconfig' | 'context' | 'config'>;

/**
 * What the options, else this machine, say of registries: where they are, who one is there, and how one gets there.
 * @throws ImgctlError `config_invalid`, `usage`, `discovery_failed`: a secret of the cluster cannot be read
 */
export async function registryAccess(
  options: RegistryAccessOptions,
  io: CliIo,
  reporter: Reporter,
): Promise<RegistryAccess> {
  const { env, signal } = io;
  const hosts = await registryHosts(options);
  for (const warning of hosts.warnings) reporter.warn(`${hosts.origin}: ${warning}`);
  const documents = await pullSecrets(options, io);
  const onWarning = (message: string) => reporter.warn(message);
  return {
    ...registrySettings({ hosts, documents, env, signal, onWarning }),
    proxyOf: (url) => environmentProxy(url, env),
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
  const documents = secrets.flatMap((secret, i) => {
    const name = pullSecret[i];
    return name === undefined ? [] : [pullSecretDocument(name, secret)];
  });
  return mergedSecrets(documents);
}
