import { defaultPort } from '../agent-api/routes.ts';
import type { ClusterSettings } from '../config/settings.ts';
import type { Discovery } from '../discovery/discovery.ts';
import { localDiscovery, staticDiscovery } from '../discovery/static.ts';

/** The way in which the nodes are found: the first that the settings give. @throws ImgctlError `usage` */
export async function chooseDiscovery(
  settings: ClusterSettings,
  { tls }: { readonly tls: boolean },
): Promise<Discovery> {
  const addressing = { defaultPort: settings.agentPort ?? defaultPort, tls };
  if (settings.nodes !== undefined) return staticDiscovery(settings.nodes, addressing);
  return localDiscovery(addressing);
}
