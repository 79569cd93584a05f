import type { AgentClient } from '../agent-api/agent-client.ts';
import { defaultPort } from '../agent-api/routes.ts';
import type { DiscoveredNode } from '../discovery/discovery.ts';
import { localDiscovery, staticDiscovery } from '../discovery/static.ts';
import type { Reporter } from '../output/reporter.ts';
import type { CliIo } from './context.ts';
import type { NodeOptions } from './options.ts';

interface ConnectedNode extends DiscoveredNode {
  readonly node: AgentClient;
}

export interface ConnectedNodes extends AsyncDisposable {
  readonly nodes: readonly ConnectedNode[];
}

/** The nodes that a command speaks to, as discovery found them. Nothing is asked of them yet. @throws ImgctlError `usage` */
export async function findNodes({ nodes }: NodeOptions, { env, signal }: CliIo, reporter: Reporter) {
  const list = nodes ?? env.IMGCTL_NODES;
  // An empty variable is one that was not set; an empty option is a script's mistake, and is told
  const named = nodes !== undefined || (list ?? '').trim() !== '';
  const discovery =
    named && list !== undefined ? staticDiscovery(list, { defaultPort }) : localDiscovery({ defaultPort });
  const found = await discovery.find(signal);
  if (found.note !== undefined) reporter.note(found.note);
  return found.nodes;
}

/** A client for each node, with the cluster's token. @throws ImgctlError `token_missing` for a file that was named */
export async function connectNodes(
  nodes: readonly DiscoveredNode[],
  { tokenFile }: NodeOptions,
  { env }: CliIo,
): Promise<ConnectedNodes> {
  const { createAgentClient } = await import('../agent-api/agent-client.ts');
  const { findLocalToken, readToken } = await import('../config/token-file.ts');
  const file = tokenFile ?? (env.IMGCTL_TOKEN_FILE || undefined);
  const token = file === undefined ? await findLocalToken(env) : await readToken(file);
  await using clients = new AsyncDisposableStack();
  const connected = nodes.map((node) => ({
    ...node,
    node: clients.use(createAgentClient({ baseUrl: node.url, token, name: node.name })),
  }));
  const open = clients.move();
  return { nodes: connected, [Symbol.asyncDispose]: () => open.disposeAsync() };
}
