import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

type Env = Readonly<Record<string, string | undefined>>;

export interface ConfigPath {
  readonly path: string;
  /** `--config` or `IMGCTL_CONFIG`, where one of them named it: then it has to be there. */
  readonly namedBy?: string | undefined;
}

/** The configuration file: the one that is named, else `config.yaml` in imgctl's own directory. */
export function configPath(option: string | undefined, env: Env, directory: string): ConfigPath {
  if (option !== undefined) return { path: resolve(option), namedBy: '--config' };
  const variable = env.IMGCTL_CONFIG?.trim();
  if (variable) return { path: resolve(variable), namedBy: 'IMGCTL_CONFIG' };
  return { path: join(directory, 'config.yaml') };
}

/** A path as a configuration file has it: `~/` is the home directory, and what is relative is beside the file. */
export function pathInConfig(path: string, directory: string, env: Env): string {
  const home = env.HOME || homedir();
  if (path === '~') return home;
  return path.startsWith('~/') ? join(home, path.slice(2)) : resolve(directory, path);
}
