import { lstat, readFile, rm } from 'node:fs/promises';
import { explainDenied } from './explain-denied.ts';
import type { NodePaths } from './node-paths.ts';
import { isServiceActive, type SystemdOptions, systemctl } from './service-manager.ts';
import { unitName, unitWord } from './unit.ts';

export interface UninstallOptions extends SystemdOptions {
  /** Remove configuration, credentials, the token and what was left unfinished, too. */
  readonly purge: boolean;
  readonly onStep: (message: string) => void;
}

/** Undoes what installAgent did; what is not there is fine. @throws ImgctlError `deploy_failed`, `interrupted` */
export async function uninstallAgent(paths: NodePaths, options: UninstallOptions): Promise<void> {
  try {
    await remove(paths, options);
  } catch (thrown) {
    throw explainDenied(thrown, 'uninstall');
  }
}

async function remove(paths: NodePaths, options: UninstallOptions): Promise<void> {
  const { onStep, purge } = options;
  const unit = await readFile(paths.unit, 'utf8').catch(() => undefined);
  if (unit === undefined) {
    onStep(`${paths.unit} is not there`);
  } else {
    const ran = await isServiceActive(options);
    await systemctl(['disable', '--now', unitName], options);
    onStep(`${ran ? 'stopped and disabled' : 'disabled'} ${unitName}`);
    await rm(paths.unit, { force: true });
    await systemctl(['daemon-reload'], options);
    onStep(`removed ${paths.unit}`);
  }
  await removeExecutable(paths, unit, onStep);
  for (const [directory, what] of [
    [paths.configDir, 'configuration and credentials'],
    [paths.dataDir, 'token and unfinished transfers'],
  ] as const) {
    if ((await lstat(directory).catch(() => undefined)) === undefined) onStep(`${directory} is not there`);
    else if (!purge) onStep(`kept ${directory} (${what}): --purge removes it`);
    else {
      await rm(directory, { recursive: true, force: true });
      onStep(`removed ${directory}`);
    }
  }
}

/** Only what installing put there: a link is a package manager's, and what the unit did not start is somebody else's. */
async function removeExecutable(
  { executable }: NodePaths,
  unit: string | undefined,
  onStep: UninstallOptions['onStep'],
): Promise<void> {
  const found = await lstat(executable).catch(() => undefined);
  if (found === undefined) return onStep(`${executable} is not there`);
  const installed = unit?.includes(`\nExecStart=${unitWord(executable)} `) ?? false;
  if (!found.isFile() || !installed) return onStep(`kept ${executable}: the service did not use it`);
  await rm(executable, { force: true });
  onStep(`removed ${executable}`);
}
