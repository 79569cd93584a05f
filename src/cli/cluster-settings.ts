import type { ClusterSettings, SettingValues } from '../config/settings.ts';
import type { CliIo } from './context.ts';
import type { NodeOptions } from './options.ts';

/**
 * What was said on the command line, else in the environment, else in the configuration file's context.
 * @throws ImgctlError `usage`, `config_invalid`
 */
export async function clusterSettings(options: NodeOptions, io: CliIo): Promise<ClusterSettings> {
  const { loadedConfig } = await import('./loaded-config.ts');
  const { choice } = await loadedConfig(options.config, io);
  const { resolveSettings } = await import('../config/resolve-settings.ts');
  const { expandNames } = await import('../config/expand-names.ts');
  const settings = resolveSettings(settingsOf(options), io.env, choice?.context);
  if (settings.nodes === undefined || settings.discoverForced) return settings;
  return { ...settings, nodes: expandNames(settings.nodes, choice?.context.settings.nodes) };
}

/** The options by the names of their settings. */
export function settingsOf(options: NodeOptions): SettingValues {
  return {
    nodes: options.nodes,
    discover: options.discover,
    selector: options.selector,
    exclude: options.exclude,
    kubeconfig: options.kubeconfig,
    kubeContext: options.context,
    agentPort: options.agentPort,
    caFile: options.caFile,
    certFile: options.cert,
    keyFile: options.key,
    tokenFile: options.tokenFile,
    driver: options.driver,
    microk8sTokenFile: options.microk8sTokenFile,
    microk8sCaFile: options.microk8sCa,
  };
}
