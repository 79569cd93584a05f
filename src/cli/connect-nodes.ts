import type { AgentClient } from '../agent-api/agent-client.ts';
import type { DiscoveredNode } from '../discovery/discovery.ts';
import type { Reporter } from '../output/reporter.ts';
import { chooseDiscovery } from './choose-discovery.ts';
import { clusterSettings } from './cluster-settings.ts';
import type { CliIo } from './context.ts';
import type { NodeOptions } from './options.ts';

export interface ConnectedNode extends DiscoveredNode {
  readonly node: AgentClient;
}

export interface ConnectedNodes extends AsyncDisposable {
  readonly nodes: readonly ConnectedNode[];
}

/**
 * Finds the nodes that a command speaks to, and makes a client for each. Of the nodes nothing is asked yet.
 * @throws ImgctlError `usage`, `config_invalid`, `discovery_failed`, `node_unknown`, `token_missing`, `certificate_invalid`
 */
export async function connectNodes(
  options: NodeOptions,
  io: CliIo,
  reporter: Reporter,
): Promise<ConnectedNodes> {
  const settings = await clusterSettings(options, io);
  const { loadClientTrust } = await import('../trust/client-trust.ts');
  const trust = await loadClientTrust(settings, io.env);
  const discovery = await chooseDiscovery(settings, { tls: trust.ca !== undefined });
  const { nodes, note } = await discovery.find(io.signal);
  if (note !== undefined) reporter.note(note);
  const { createAgentClient } = await import('../agent-api/agent-client.ts');
  await using clients = new AsyncDisposableStack();
  const connected = nodes.map((node) => ({
    ...node,
    node: clients.use(createAgentClient({ baseUrl: node.url, name: node.name, trust })),
  }));
  const open = clients.move();
  return { nodes: connected, [Symbol.asyncDispose]: () => open.disposeAsync() };
}
