import type { ClusterSettings } from '../config/settings.ts';
import type { CliIo } from './context.ts';
import type { NodeOptions } from './options.ts';

/** What was said on the command line, else in the environment, else in the configuration file's context. */
export async function clusterSettings(options: NodeOptions, { env }: CliIo): Promise<ClusterSettings> {
  const variable = (name: string) => env[name]?.trim() || undefined;
  return {
    nodes: options.nodes ?? (options.discover === undefined ? variable('IMGCTL_NODES') : undefined),
    discover: options.discover,
    discoverForced: options.discover !== undefined,
    selector: options.selector,
    exclude: options.exclude ?? [],
    kubeconfig: options.kubeconfig,
    kubeContext: options.context,
    agentPort: options.agentPort,
    caFile: options.caFile ?? variable('IMGCTL_CA_FILE'),
    certFile: options.cert ?? variable('IMGCTL_CERT'),
    keyFile: options.key ?? variable('IMGCTL_KEY'),
    tokenFile: options.tokenFile ?? variable('IMGCTL_TOKEN_FILE'),
    driver: options.driver ?? 'auto',
    microk8sTokenFile: options.microk8sTokenFile,
    microk8sCaFile: options.microk8sCa,
  };
}
