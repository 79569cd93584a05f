import { defaultPort } from '../agent-api/routes.ts';
import { parseDiscover } from '../config/discover.ts';
import { naming } from '../config/naming.ts';
import { settingSources } from '../config/setting-sources.ts';
import { type ClusterSettings, originText, type SettingName } from '../config/settings.ts';
import type { AgentAddressing, Discovery } from '../discovery/discovery.ts';
import { narrowed } from '../discovery/narrow.ts';
import { localDiscovery, parseNodeList } from '../discovery/static.ts';
import { ImgctlError } from '../errors.ts';
import type { CliIo } from './context.ts';

interface Surroundings {
  readonly env: CliIo['env'];
  /** Whether agents are verified against an authority that was given. */
  readonly tls: boolean;
}

/**
 * The way in which the nodes are found: a list, what `discover` says, the cluster of a kubeconfig, this machine's agent.
 * The discovery throws `node_unknown` where `--nodes` or `--exclude` names one that it does not find.
 * @throws ImgctlError `usage`, `config_invalid`
 */
export async function chooseDiscovery(
  settings: ClusterSettings,
  { env, tls }: Surroundings,
): Promise<Discovery> {
  const addressing = { defaultPort: settings.agentPort ?? defaultPort, tls };
  const { discoverForced, exclude, nodes } = settings;
  if (!discoverForced && nodes !== undefined) {
    refuseForKubernetes(settings, `the nodes come from ${saidBy(settings, 'nodes')}`);
    return narrowed(listDiscovery(nodes, saidBy(settings, 'nodes'), addressing), { exclude });
  }
  const only = nodes === undefined ? undefined : nodes.split(/[\s,]+/).filter((entry) => entry !== '');
  return narrowed(await wayToFind(settings, addressing, env), { only, exclude });
}

async function wayToFind(
  settings: ClusterSettings,
  addressing: AgentAddressing,
  env: CliIo['env'],
): Promise<Discovery> {
  if (settings.discover === undefined) return clusterOrLocal(settings, addressing, env);
  const way = naming(saidBy(settings, 'discover'), () => parseDiscover(settings.discover ?? ''));
  if (way.kind === 'kubernetes') return clusterOrLocal(settings, addressing, env);
  refuseForKubernetes(settings, `${saidBy(settings, 'discover')} is ${settings.discover}`);
  if (way.kind === 'local') {
    const local = localDiscovery(addressing);
    return { find: async (signal) => ({ nodes: (await local.find(signal)).nodes }) };
  }
  const { dnsDiscovery } = await import('../discovery/dns.ts');
  return dnsDiscovery(way.name, addressing);
}

/** Kubernetes where a kubeconfig is found, or was asked for; else the agent of this machine, and a line that says so. */
async function clusterOrLocal(
  settings: ClusterSettings,
  addressing: AgentAddressing,
  env: CliIo['env'],
): Promise<Discovery> {
  const { discover, kubeconfig, kubeContext, selector } = settings;
  const { findKubeconfig } = await import('../discovery/kubernetes/find-kubeconfig.ts');
  const search = await findKubeconfig({ env, explicit: kubeconfig });
  const isMeant = [discover, kubeconfig, kubeContext, selector].some((said) => said !== undefined);
  const { kubernetesDiscovery, notesOf } = await import('../discovery/kubernetes/kubernetes-discovery.ts');
  if (search.found !== undefined || isMeant)
    return kubernetesDiscovery(search, { addressing, env, context: kubeContext, selector });
  const local = localDiscovery(addressing);
  return {
    find: async (signal) => {
      const { nodes, note } = await local.find(signal);
      return { nodes, note: [note, ...notesOf(search.unreadable)].join(' ') };
    },
  };
}

/** The nodes of a list; what is wrong with it is told with who said it, where that is out of sight. */
function listDiscovery(list: string, who: string, addressing: AgentAddressing): Discovery {
  const read = () => parseNodeList(list, addressing);
  return { find: async () => ({ nodes: who === '--nodes' ? read() : naming(who, read) }) };
}

/** What was said on the command line is never passed over: images would go to other nodes than were meant. */
function refuseForKubernetes({ origins }: ClusterSettings, why: string): void {
  for (const name of ['selector', 'kubeconfig', 'kubeContext'] as const) {
    if (origins?.[name]?.kind !== 'option') continue;
    throw new ImgctlError('usage', `${settingSources[name].option} is for Kubernetes, but ${why}`, {
      hint: 'Add --discover kubernetes (--nodes then narrows what it finds), or leave the option out.',
    });
  }
}

function saidBy({ origins }: ClusterSettings, name: SettingName): string {
  const origin = origins?.[name];
  return origin === undefined ? settingSources[name].option : originText(origin);
}
