import type { RegistryLogin } from '../agent-api/registry-source.ts';
import type { FoundDocument } from '../config/credentials/credential-files.ts';
import { mergedSecrets, pullSecretDocument } from '../config/credentials/pull-secret.ts';
import { type MachineRegistries, machineRegistries } from '../config/registries/machine-registries.ts';
import { ImgctlError } from '../errors.ts';
import type { Reporter } from '../output/reporter.ts';
import { clusterSettings } from './cluster-settings.ts';
import type { CliIo } from './context.ts';
import type { NodeOptions } from './options.ts';
import type { RegistryOptions } from './registry-options.ts';

export type RegistryAccessOptions = RegistryOptions & Pick<NodeOptions, 'kubeconfig' | 'context' | 'config'>;

/**
 * What the options, else this machine, say of registries.
 * @throws ImgctlError `config_invalid`, `usage`, `discovery_failed`: a secret of the cluster cannot be read
 */
export async function registryAccess(
  options: RegistryAccessOptions,
  io: CliIo,
  reporter: Reporter,
): Promise<MachineRegistries> {
  const { env, signal } = io;
  const documents = await pullSecrets(options, io);
  return machineRegistries({
    ...options,
    documents,
    env,
    signal,
    onWarning: (message) => reporter.warn(message),
  });
}

/**
 * Pull secrets as nodes are told of them, who are to be known by their certificates.
 * @throws ImgctlError `usage` where a node would be told over plain HTTP, and as `registryAccess`
 */
export async function loginsForNodes(
  options: RegistryAccessOptions,
  nodes: readonly { readonly name: string; readonly url: URL }[],
  io: CliIo,
): Promise<RegistryLogin[]> {
  if (options.registries !== undefined || options.hostsDir !== undefined) throw ofThisMachine();
  if (options.pullSecret === undefined || options.pullSecret.length === 0) return [];
  const plain = nodes.filter(({ url }) => url.protocol !== 'https:').map(({ name }) => name);
  if (plain.length > 0) throw readableByAll(plain);
  const documents = await pullSecrets(options, io);
  return documents.map(({ source, document }) => ({ source, entries: [...document.entries] }));
}

function ofThisMachine(): ImgctlError {
  return new ImgctlError('usage', '--registries and --hosts-dir are of this machine, and the nodes pull', {
    hint: 'Have this command pull (--via command), or give them to the agents: imgctl agent run --registries FILE.',
  });
}

function readableByAll(nodes: readonly string[]): ImgctlError {
  return new ImgctlError(
    'usage',
    `--pull-secret would go over plain HTTP, which is what ${nodes.slice(0, 5).join(', ')} ${nodes.length === 1 ? 'speaks' : 'speak'}`,
    {
      hint: 'Give the agents certificates (imgctl init), or have this command pull for them: --via command.',
    },
  );
}

/** Logins that the cluster keeps for its pods, in the order in which they were named. */
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
