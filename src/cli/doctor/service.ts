import { existsSync } from 'node:fs';
import { pathsBelow } from '../../deploy/systemd/node-paths.ts';
import { isServiceActive } from '../../deploy/systemd/service-manager.ts';
import { unitName } from '../../deploy/systemd/unit.ts';
import type { Findings } from './check.ts';
import type { MachineOptions } from './this-machine.ts';

/** Whether the agent that was installed here runs. Another way of starting it, a DaemonSet, has no unit. */
export async function service(
  { io, root }: MachineOptions,
  isNode: boolean,
  signal: AbortSignal,
): Promise<Findings> {
  if (!existsSync(pathsBelow(root).unit)) {
    const detail = 'not installed on this machine';
    if (!isNode) return { status: 'ok', detail };
    const hint =
      'On a node: imgctl agent install; for a whole cluster: imgctl agent deploy or agent manifest.';
    return { status: 'ok', detail, hint };
  }
  const { env } = io;
  if (await isServiceActive({ env, signal })) return { status: 'ok', detail: `${unitName} is active` };
  return {
    status: 'fail',
    detail: `${unitName} is installed and does not run`,
    hint: `See journalctl -u ${unitName}, then systemctl restart ${unitName}.`,
  };
}
