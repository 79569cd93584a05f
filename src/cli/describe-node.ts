import type { NodeInfo } from '../agent-api/schemas.ts';
import { mustRunContainerd } from '../distribute/must-run-containerd.ts';
import type { ConnectedNode } from './connect-nodes.ts';

/**
 * What an agent says of its node; undefined where MicroK8s's own agent answers, which tells nothing of itself.
 * @throws ImgctlError those of the connection, `runtime_unsupported`
 */
export async function describeNode(
  { node, cluster, findArchiveNode }: ConnectedNode,
  signal: AbortSignal,
): Promise<NodeInfo | undefined> {
  mustRunContainerd(cluster);
  const archives = await findArchiveNode?.(signal);
  if (archives === undefined) return node.describe(signal);
  await archives.check(signal);
  return undefined;
}
