import type { DiscoveredNode } from '../discovery/discovery.ts';
import type { Peer } from '../distribute/fan-out-options.ts';
import type { Reporter } from '../output/reporter.ts';
import { RateLimit } from '../streams/rate-limit.ts';
import { chooseDiscovery } from './choose-discovery.ts';
import { clusterSettings } from './cluster-settings.ts';
import type { CliIo } from './context.ts';
import { NodeDrivers, type NodeWays } from './microk8s-nodes.ts';
import type { NodeOptions, RateOptions } from './options.ts';

export interface ConnectedNode extends DiscoveredNode, NodeWays {
  readonly peer?: Peer | undefined;
}

export interface ConnectedNodes extends AsyncDisposable {
  readonly nodes: readonly ConnectedNode[];
  /** Whether the command shows agents a certificate of its own. */
  readonly mutual: boolean;
}

/**
 * Finds the nodes that a command speaks to, and makes a client for each. Of the nodes nothing is asked yet.
 * @throws ImgctlError `usage`, `config_invalid`, `discovery_failed`, `node_unknown`, `token_missing`, `certificate_invalid`
 */
export async function connectNodes(
  options: NodeOptions & RateOptions,
  io: CliIo,
  reporter: Reporter,
): Promise<ConnectedNodes> {
  const settings = await clusterSettings(options, io);
  const { loadClientTrust } = await import('../trust/client-trust.ts');
  const trust = await loadClientTrust(settings, io.env, (message) => reporter.warn(message));
  const discovery = await chooseDiscovery(settings, { env: io.env, tls: trust.ca !== undefined });
  const { nodes, note } = await discovery.find(io.signal);
  if (note !== undefined) reporter.note(note);
  const { maxRate } = options;
  const uplink = maxRate === undefined ? undefined : new RateLimit(maxRate);
  const drivers = new NodeDrivers({ ...settings, uplink }, io, reporter);
  await drivers.prepare();
  const { createAgentClient } = await import('../agent-api/agent-client.ts');
  await using clients = new AsyncDisposableStack();
  const connected = nodes.map((node) => {
    const client = clients.use(createAgentClient({ baseUrl: node.url, name: node.name, trust, uplink }));
    const peer = { url: `${node.url.protocol}//${node.address}`, have: client.have };
    return { ...node, ...drivers.waysTo(node, client), peer };
  });
  const open = clients.move();
  return {
    nodes: connected,
    mutual: trust.cert !== undefined,
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}
