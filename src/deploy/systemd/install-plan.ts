import { isAbsolute, join } from 'node:path';
import { ImgctlError, printable } from '../../errors.ts';
import type { Executable } from '../executable.ts';
import { type Credentials, hasCredentials, readCredentials } from './credentials.ts';
import { installedPaths, type NodePaths, pathsBelow } from './node-paths.ts';
import { agentUnit, unitName } from './unit.ts';

export interface InstallSettings {
  /** `/`, but for a system that is not the running one. */
  readonly root: string;
  readonly executable: Executable;
  /** Where `imgctl init` left the credentials; absent: those that are installed stay. */
  readonly credentialsDir?: string | undefined;
  /** HOST:PORT each, given whether the agent will speak TLS. */
  readonly listen: (tls: boolean) => readonly string[];
  readonly store?: string | undefined;
  readonly name?: string | undefined;
  /** Further options of `agent run`. */
  readonly agentOptions: readonly string[];
}

/** Everything that installing will do, decided before it does anything. */
export interface InstallPlan {
  readonly paths: NodePaths;
  readonly executable: Executable;
  readonly credentials: Credentials | undefined;
  readonly credentialsDir: string | undefined;
  readonly tls: boolean;
  readonly listen: readonly string[];
  readonly unit: string;
  /** Directories beside its own that the service writes to: they must be there when it starts. */
  readonly writable: readonly string[];
}

/** @throws ImgctlError `certificate_invalid`; what `listen` throws */
export async function planInstall(settings: InstallSettings): Promise<InstallPlan> {
  const { root, executable, credentialsDir } = settings;
  const paths = pathsBelow(root);
  const credentials = credentialsDir === undefined ? undefined : await readCredentials(credentialsDir);
  const tls = credentials !== undefined || (await hasCredentials(paths.configDir));
  const listen = settings.listen(tls);
  const writable = [
    ...(settings.store?.startsWith('oci:') ? [settings.store.slice('oci:'.length)] : []),
    ...imagesDirectoryIn(settings.agentOptions),
  ];
  const unit = agentUnit({
    command: [...startOf(executable, paths), 'agent', 'run', ...runOptions(settings, paths, { tls, listen })],
    dataDir: paths.dataDir,
    environmentFile: join(paths.configDir, 'agent.env'),
    writable,
  });
  return { paths, executable, credentials, credentialsDir, tls, listen, unit, writable };
}

/** Its `.cache.json` is written by the agent. @throws ImgctlError `usage` for a path that depends on where one is */
function imagesDirectoryIn(options: readonly string[]): string[] {
  const at = options.indexOf('--images-dir');
  const directory =
    at >= 0
      ? options[at + 1]
      : options.find((option) => option.startsWith('--images-dir='))?.slice('--images-dir='.length);
  if (directory === undefined) return [];
  if (isAbsolute(directory)) return [directory];
  throw new ImgctlError('usage', `--images-dir needs an absolute path: ${printable(directory)}`, {
    hint: 'The service starts in another directory than this one.',
  });
}

function startOf(executable: Executable, paths: NodePaths): string[] {
  return executable.kind === 'file' ? [paths.executable] : [executable.node, executable.script];
}

function runOptions(
  { store, name, agentOptions }: InstallSettings,
  { configDir, dataDir }: NodePaths,
  { tls, listen }: { readonly tls: boolean; readonly listen: readonly string[] },
): string[] {
  const trust = {
    '--tls-cert': 'agent.crt',
    '--tls-key': 'agent.key',
    '--ca-file': 'ca.crt',
    '--token-file': 'token',
  };
  return [
    ...listen.flatMap((address) => ['--listen', address]),
    ...(tls ? Object.entries(trust).flatMap(([option, file]) => [option, join(configDir, file)]) : []),
    ...(dataDir === installedPaths.dataDir ? [] : ['--data-dir', dataDir]),
    ...(store === undefined ? [] : ['--store', store]),
    ...(name === undefined ? [] : ['--name', name]),
    ...agentOptions,
  ];
}

/** What `--dry-run` shows: files, the unit, commands. */
export function describePlan({
  paths,
  executable,
  credentials,
  credentialsDir,
  unit,
}: InstallPlan): string[] {
  const files =
    credentials?.files.map(
      ({ name }) =>
        `would copy ${join(credentialsDir ?? '', name)} to ${join(paths.configDir, name)} (mode 0600)`,
    ) ?? [];
  return [
    executable.kind === 'file'
      ? `would copy ${executable.path} to ${paths.executable} (mode 0755)`
      : `would copy no executable: the unit starts ${executable.node} ${executable.script}`,
    `would make ${paths.configDir} (mode 0700)`,
    ...files,
    `would write ${paths.unit} (mode 0644):`,
    ...unit.trimEnd().split('\n'),
    `would run systemctl daemon-reload`,
    `would run systemctl enable --now ${unitName}`,
  ];
}
