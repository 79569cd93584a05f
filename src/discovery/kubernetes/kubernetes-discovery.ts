import { ImgctlError } from '../../errors.ts';
import type { AgentAddressing, Discovered, Discovery } from '../discovery.ts';
import { apiServer } from './api-server.ts';
import { chooseContext } from './choose-context.ts';
import { clusterNodes } from './cluster-node.ts';
import type { KubeconfigSearch } from './find-kubeconfig.ts';
import { listAll } from './list-all.ts';
import type { ListingPlace } from './listing-error.ts';
import type { ListingPatience } from './patient-ask.ts';
import { type ApiPod, nodesOfCluster, podsOfCluster, type Resource } from './resources.ts';
import { userCredentials } from './user-credentials.ts';

export interface KubernetesOptions {
  readonly addressing: AgentAddressing;
  /** For credential plugins, and the proxy. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A context of the kubeconfig; default: its current one. */
  readonly context?: string | undefined;
  /** A label selector, as kubectl takes it. */
  readonly selector?: string | undefined;
  readonly patience?: ListingPatience | undefined;
}

/**
 * The nodes of the cluster that a kubeconfig is for. Those that are not Ready, are cordoned or are about to go count
 * too: images are often what they wait for. `find` throws ImgctlError `discovery_failed`, `config_invalid`, `usage`.
 */
export function kubernetesDiscovery(
  { found, unreadable }: KubeconfigSearch,
  { addressing, env, context, selector, patience }: KubernetesOptions,
): Discovery {
  return { find };

  async function find(signal?: AbortSignal): Promise<Discovered> {
    const { listed, place } = await listOfCluster(
      nodesOfCluster,
      { found, unreadable },
      { env, context, selector, patience, signal },
    );
    const nodes = clusterNodes(listed, addressing);
    if (nodes.length === 0) throw noNodes(place.context, place.server, selector);
    const count = `${nodes.length} ${nodes.length === 1 ? 'node' : 'nodes'}`;
    const note = `${count} of Kubernetes (context ${place.context}, server ${place.server}).`;
    return { nodes, note: [note, ...notesOf(unreadable)].join(' ') };
  }
}

/** The pods of the cluster that a kubeconfig is for, of all namespaces. @throws ImgctlError as `kubernetesDiscovery` */
export async function podsOf(
  search: KubeconfigSearch,
  options: Pick<KubernetesOptions, 'env' | 'context' | 'patience'> & {
    readonly signal?: AbortSignal | undefined;
  },
): Promise<{ readonly pods: readonly ApiPod[]; readonly note: string }> {
  const { listed, place } = await listOfCluster(podsOfCluster, search, options);
  const count = `${listed.length} ${listed.length === 1 ? 'pod' : 'pods'}`;
  return { pods: listed, note: `${count} of Kubernetes (context ${place.context}, server ${place.server}).` };
}

async function listOfCluster<T>(
  resource: Resource<T>,
  { found, unreadable }: KubeconfigSearch,
  {
    env,
    context,
    ...options
  }: Omit<KubernetesOptions, 'addressing'> & { readonly signal?: AbortSignal | undefined },
): Promise<{ readonly listed: readonly T[]; readonly place: ListingPlace }> {
  if (found === undefined) throw noKubeconfig(unreadable);
  const chosen = chooseContext(found, context);
  const user = await userCredentials(chosen, { env, signal: options.signal });
  const server = await apiServer(chosen, user, env);
  const place = {
    context: chosen.context,
    kubeconfig: found.name,
    server: server.url.href.replace(/\/$/, ''),
  };
  try {
    return { listed: await listAll(server, resource, { ...options, place }), place };
  } finally {
    await server.dispatcher.destroy();
  }
}

/** What to say of kubeconfigs that are there and were passed over, be it for another one or for none. */
export function notesOf(unreadable: readonly string[]): string[] {
  return unreadable.map((file) => `${file} is there, but this user cannot read it.`);
}

export function noKubeconfig(unreadable: readonly string[]): ImgctlError {
  const message = ['no kubeconfig was found', ...notesOf(unreadable)].join(': ');
  return new ImgctlError('discovery_failed', message, {
    hint:
      unreadable.length > 0
        ? 'Run as root, or name a kubeconfig that you can read: --kubeconfig.'
        : 'Name one with --kubeconfig or KUBECONFIG, or name the nodes: --nodes.',
  });
}

function noNodes(context: string, server: string, selector: string | undefined): ImgctlError {
  const which = selector === undefined ? '' : ` that the selector ${JSON.stringify(selector)} matches`;
  return new ImgctlError(
    'discovery_failed',
    `Kubernetes has no nodes${which} (context ${context}, server ${server})`,
    {
      hint:
        selector === undefined ? 'Name the nodes: --nodes.' : 'kubectl get nodes --show-labels shows labels.',
      context: { kubeContext: context, server },
    },
  );
}
