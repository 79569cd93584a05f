import { join } from 'node:path';
import { stateDirectory, unitName } from './unit.ts';

/** Where things of the agent are on a node. */
export interface NodePaths {
  readonly executable: string;
  readonly unit: string;
  readonly configDir: string;
  readonly dataDir: string;
}

export const installedPaths: NodePaths = {
  executable: '/usr/local/bin/imgctl',
  unit: `/etc/systemd/system/${unitName}`,
  configDir: '/etc/imgctl',
  dataDir: stateDirectory,
};

/** The same below another root directory, as they are in a system that is not the running one. */
export function pathsBelow(root: string, paths: NodePaths = installedPaths): NodePaths {
  return {
    executable: join(root, paths.executable),
    unit: join(root, paths.unit),
    configDir: join(root, paths.configDir),
    dataDir: join(root, paths.dataDir),
  };
}
